"""The startup check of web servers, on request."""


def on_request_started(sender, **kwargs):
    pass
