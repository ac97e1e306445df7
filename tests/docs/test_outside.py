"""The check of `make docs` sees what a page fetches from other hosts, and nothing else."""

from pathlib import Path

import pytest

from tests.docs.outside import outside


@pytest.mark.parametrize(
    "text",
    [
        '<script src="https://cdn.example/x.js"></script>',
        '<link rel="stylesheet" href="//fonts.example/css">',
        '<link rel="preconnect" href="https://fonts.example">',
        '<img srcset="a.png 1x, https://images.example/b.png 2x">',
        '<p style="background: url(https://images.example/c.png)">',
        "<style>@import 'https://fonts.example/css';</style>",
        '<svg><image href="https://images.example/d.png"/></svg>',
        '<pre class="mermaid"><code>graph LR</code></pre>',
    ],
)
def test_what_is_fetched_from_elsewhere_is_found(text: str, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(text)
    assert len(list(outside(tmp_path))) == 1


@pytest.mark.parametrize(
    "text",
    [
        '<a href="https://example.org/">a link</a>',
        '<link rel="canonical" href="https://docs.example/">',
        '<img src="flow.svg"><script src="assets/x.js"></script>',
        '<svg xmlns="http://www.w3.org/2000/svg"></svg>',
    ],
)
def test_what_stays_here_is_not(text: str, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(text)
    assert list(outside(tmp_path)) == []
