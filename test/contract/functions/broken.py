raise ModuleNotFoundError("No module named a-package-that-is-not-there")
