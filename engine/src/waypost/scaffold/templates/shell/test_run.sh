#!/bin/sh
# On small tables, in the component's folder.
set -eu
cd "$(dirname "$0")"
wanted='kind,rows
red,2
blue,1'
found=$(sh count.sh example.csv kind)
[ "$found" = "$wanted" ] || { echo "error: counted $found"; exit 1; }
if said=$(sh count.sh example.csv knd 2>&1); then echo "error: knd is no column"; exit 1; fi
[ "$said" = "error: no column knd; there are: id,kind" ] || { echo "error: it says $said"; exit 1; }
