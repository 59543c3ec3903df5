"""Sphinx configuration; the reference is generated from the tables of the code."""

import sys
from importlib.metadata import version as installed_version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).with_name("_ext")))

project = "ganetix"
author = "The ganetix authors"
project_copyright = author
release = version = installed_version("ganetix")
extensions = ["ganetix_tables"]
exclude_patterns = ["_build"]
nitpicky = True
html_theme = "alabaster"
html_theme_options = {
    "description": "Virtual machine clusters for people who own their hosts",
    "page_width": "1040px",
    "sidebar_width": "230px",
}
html_sidebars = {"**": ["about.html", "navigation.html", "searchbox.html"]}
