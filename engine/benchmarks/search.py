"""How long the search of a catalogue takes in headless Chromium: from the letter to the list, laid out.

    python -m benchmarks.search SITE

SITE is a catalogue's folder, such as `python -m benchmarks.catalogue --keep SITE` leaves. The page is copied without its
policy, which allows no script but its own.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import tempfile
from pathlib import Path

WORDS = ("l", "lo", "loads", "loads orders", "e", "rows", "result rows", "nothing")
_TIMES = 9
_SCRIPT = """<script>addEventListener("load", () => {
  const field = document.getElementById("search"), list = document.getElementById("components");
  const type = (text) => {
    field.value = text;
    field.dispatchEvent(new Event("input"));
    return list.offsetHeight;
  };
  const found = WORDS.map((words) => {
    const times = [];
    for (let time = 0; time < TIMES; time++) {
      type("zzz");
      const start = performance.now();
      type(words);
      times.push(performance.now() - start);
    }
    return [words, times.sort((one, other) => one - other), document.getElementById("state").textContent];
  });
  const result = document.createElement("pre");
  result.id = "measured";
  result.textContent = JSON.stringify(found);
  document.body.append(result);
});</script>"""


def measured(site: Path) -> list[tuple[str, list[float], str]]:
    """Returns for some words the times in ms, sorted, and what the page says of its list then."""
    page = re.sub('<meta http-equiv="Content-Security-Policy"[^>]*>', "", (site / "index.html").read_text())
    script = _SCRIPT.replace("WORDS", json.dumps(WORDS)).replace("TIMES", str(_TIMES))
    with tempfile.TemporaryDirectory() as temp:
        file = Path(temp) / "index.html"
        file.write_text(page.replace("</body>", f"{script}</body>"))
        command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", file.as_uri()]
        dom = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    hit = re.search('id="measured">(.*?)</pre>', dom)
    assert hit, "the page ran no script"
    found: list[tuple[str, list[float], str]] = json.loads(hit[1])
    return found


def main() -> None:
    """Prints the median and the longest of nine times for each of some words."""
    parser = argparse.ArgumentParser()
    parser.add_argument("site", type=Path)
    for words, times, said in measured(parser.parse_args().site):
        print(f"{words!r}: median {times[_TIMES // 2]:.1f} ms, at most {times[-1]:.1f}; {said}")


if __name__ == "__main__":
    main()
