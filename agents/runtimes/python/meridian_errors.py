"""What a function's failure becomes on its way to the agent: AWS Lambda's error object."""

import traceback


class HandlerNotFound(Exception):
    pass


def error_payload(error, settings, error_type=None):
    return {
        "errorMessage": str(error),
        "errorType": error_type or type(error).__name__,
        "stackTrace": [frame.rstrip("\n") for frame in traceback.format_list(own_frames(error, settings["codeDirectory"]))],
    }


def own_frames(error, code_directory):
    """Where the function was, without the way to it through this file and the libraries that it uses."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [index for index, frame in enumerate(frames) if frame.filename.startswith(code_directory)]
    return frames[own[0] :] if own else []


def init_error_type(error):
    if isinstance(error, SyntaxError):
        return "Runtime.UserCodeSyntaxError"
    if isinstance(error, ImportError):
        return "Runtime.ImportModuleError"
    if isinstance(error, HandlerNotFound):
        return "Runtime.HandlerNotFound"
    return None


def init_error_payload(error, settings):
    payload = error_payload(error, settings, init_error_type(error))
    module_name = settings["handler"].rpartition(".")[0]
    if isinstance(error, SyntaxError):
        payload["errorMessage"] = "Syntax error in module '%s': %s" % (module_name, error)
        payload["stackTrace"] = ['  File "%s" Line %s\n    %s' % (error.filename, error.lineno, error.text)]
    elif isinstance(error, ImportError):
        payload["errorMessage"] = "Unable to import module '%s': %s" % (module_name, error)
    return payload
