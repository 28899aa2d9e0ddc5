def ending():
    return "!"
