"""From a prompt to a picture that shows and saves itself, in one call."""
