#!/usr/bin/env bash
# The steps of the workflows in .github/workflows, so that they run (and are tested) anywhere: `make release` and so on.
set -euo pipefail
bin=$1 verb=$2
mkdir -p dist

# A token, where one is given, opens the door for git from the environment: no file and no argument has it.
if [ -n "${GIT_TOKEN:-}" ]; then
  export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=credential.helper
  export GIT_CONFIG_VALUE_0='!f() { echo username=x-access-token; echo "password=$GIT_TOKEN"; }; f'
fi
if [ -z "$(git config user.email || true)" ]; then
  git config user.name "${GITHUB_ACTOR:-Waypost}"
  git config user.email "${GITHUB_ACTOR:-waypost}@users.noreply.github.com"
fi

newest() { # the newest version that has a record
  "$bin/python" - <<'PYTHON'
from pathlib import Path
from waypost.release.kinds import read_subject
print(next(iter(read_subject(Path()).records)))
PYTHON
}

case $verb in
release)
  "$bin/waypost" release "$4" -C "$3" --push
  ;;
assets)
  version=$(newest)
  rm -rf dist/assets && mkdir -p dist/assets
  echo "v$version" >dist/tag
  "$bin/python" -c "import json; print(json.load(open('releases/$version.json'))['notes'])" >dist/notes.md
  cp "releases/$version.json" dist/assets/record.json
  "$bin/waypost" bundle "$(git remote get-url origin)@$version" -o "dist/assets/bundle-$version.tar" ${BUNDLE_OPTIONS:-}
  (cd dist/assets && sha256sum -- * >SHA256SUMS)
  ;;
record)
  version=$(newest)
  "$bin/waypost" run "$(git remote get-url origin)@$version" ${RUN_OPTIONS:-}
  "$bin/waypost" release record "$version" ${FOLDER_OPTION:-}
  git add "releases/$version.run.json"
  git commit --quiet --message "Record the run of $version"
  git push --quiet origin HEAD
  ;;
library)
  rm -rf dist/components.git
  "$bin/waypost" components export dist/components.git
  git -C dist/components.git bundle create --quiet "$PWD/dist/components.bundle" --all
  ;;
update-pins)
  rm -f dist/pins.md
  pipeline=${PIPELINE:-pipeline}
  if "$bin/waypost" outdated "$pipeline"; then
    echo "nothing relevant is newer"
    exit 0
  fi
  "$bin/waypost" run "$pipeline" --json ${RUN_OPTIONS:-} >dist/before.json
  "$bin/waypost" update "$pipeline" --json >dist/update.json || echo "some components keep their pins"
  "$bin/waypost" run "$pipeline" --json ${RUN_OPTIONS:-} >dist/after.json
  "$bin/python" .github/pins_report.py dist/update.json dist/before.json dist/after.json >dist/pins.md
  git switch --quiet --force-create waypost/update-pins
  git commit --quiet --message "Update components" -- "$pipeline/components.lock.json"
  git push --quiet --force origin waypost/update-pins
  ;;
update-locks)
  rm -f dist/locks.md
  make --no-print-directory requirements
  if git diff --quiet; then
    echo "nothing is newer"
    exit 0
  fi
  "$bin/python" .github/locks_report.py >dist/locks.md
  git switch --quiet --force-create waypost/update-locks
  git commit --quiet --all --message "Update locks"
  git push --quiet --force origin waypost/update-locks
  ;;
esac
