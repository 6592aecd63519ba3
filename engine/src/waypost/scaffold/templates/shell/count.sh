#!/bin/sh
# count.sh FILE COLUMN: writes COLUMN,rows, then each value with its number of rows, the most frequent first.
set -eu
awk -F, -v column="$2" '
  NR == 1 {
    for (i = 1; i <= NF; i++) if ($i == column) at = i
    if (at) { print column ",rows"; next }
    print "error: no column " column "; there are: " $0 > "/dev/stderr"
    failed = 1
    exit 1
  }
  { rows[$at]++ }
  END {
    if (failed) exit 1
    sorted = "sort -t, -k2,2nr -k1,1"
    fflush()
    for (value in rows) print value "," rows[value] | sorted
    close(sorted)
  }
' "$1"
