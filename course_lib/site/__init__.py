"""The course's page: the saved notebooks as a site, and a front page that draws in the reader's own browser."""
