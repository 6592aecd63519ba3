"""download: one file from any fsspec URL, streamed, retried, resumed, verified."""

from componentkit.step import main

if __name__ == "__main__":
    main(__file__, "download.fetch")
