"""Pages for people: from facts to one self-contained HTML document, without input or output."""
