"""What Sphinx is told: the saved notebooks, as they are, one page each."""

from pathlib import Path

from course_lib.classroom.colab import GITHUB, stamped_address
from course_lib.site import mathml

project = "Diffusion models, built in sight"
author = "the course's authors"
extensions = ["myst_nb"]
root_doc = "index"
nb_execution_mode = "off"  # what was saved is what is shown: make test has run it
nb_render_markdown_format = "myst"
nb_merge_streams = True
nb_code_prompt_show = "Show the {type}"
nb_code_prompt_hide = "Hide the {type}"
nb_mime_priority_overrides = [
    ("html", "text/html", 0),
    ("html", "text/markdown", 1),
    ("html", "application/vnd.jupyter.widget-view+json", None),  # no kernel runs here: what stands beside it is shown
]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
html_theme = "sphinx_book_theme"
html_title = project
html_static_path = ["static"]
html_favicon = "static/favicon.png"  # what text_to_image() draws of "a red sports car" with seed 1
html_css_files = ["page.css"]
html_js_files = [("questions.js", {"type": "module"}), ("search.js", {"type": "module"})]
html_math_renderer = "mathml"
html_copy_source = True
html_show_sourcelink = False
html_context = {"default_mode": "auto"}  # light or dark, as the reader's system is
html_theme_options = {
    "use_download_button": True,
    "use_fullscreen_button": False,
    "home_page_in_toc": True,
    "show_navbar_depth": 1,
    "secondary_sidebar_items": {"**": ["page-toc"], "index": []},  # the easel needs the room
    "navbar_persistent": [],  # the search stands in the sidebar
}

published = GITHUB.fullmatch(stamped_address(Path(__file__).parents[2] / "notebooks" / "00_start_here.ipynb"))


def setup(app):
    """Called by Sphinx."""
    if published:
        app.tags.add("published")  # see index.md
    return mathml.setup(app)


if published:
    html_theme_options |= {
        "repository_url": f"https://github.com/{published[1]}",
        "repository_branch": "main",
        "use_repository_button": True,
        "path_to_docs": "notebooks",
        "launch_buttons": {"colab_url": "https://colab.research.google.com"},
    }
