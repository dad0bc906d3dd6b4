#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the page's files as C: embed.py OUT FILE…"""
import pathlib
import sys

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

out = ['#include "manager/page.h"']
entries = []
for number, path in enumerate(map(pathlib.Path, sys.argv[2:])):
    data = path.read_bytes()
    out.append(f"static const unsigned char file_{number}[] = {{{','.join(map(str, data))}}};")
    entries.append(f'{{"{path.name}", "{TYPES[path.suffix]}", file_{number}, {len(data)}}},')
out.append("const struct page_file page_files[] = {" + "\n".join(entries) + "};")
out.append(f"const size_t page_file_count = {len(entries)};\n")
pathlib.Path(sys.argv[1]).write_text("\n".join(out))
