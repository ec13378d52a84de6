# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Part of scripts/test-integrations: the modules for Salt, with the real salt-call on the nodes, masterless.

# The state's own answer, as JSON: what `jq` makes of it must be this.
salt_state() { # HOST EXPECTED FILTER STATE [ARGUMENT...]
  local host=$1 expected=$2 filter=$3 answer
  shift 3
  answer=$(scripts/lab exec "$host" env PYTHONDONTWRITEBYTECODE=1 "$salt" --local -c /tmp/salt --out=json \
    --log-level=quiet state.apply "$@" 2>&1) || true
  printf '%s\n' "$answer" >>"$work/salt.out"
  [ "$(jq -c "[.local[]] | .[0] | $filter" <<<"$answer" 2>/dev/null)" = "$expected" ] ||
    fault "salt, $host, state $*: not $expected: $answer"
}

# LAB_SETTINGS is in force on all nodes before.
salt_in_the_lab() {
  local salt=${KEYTURN_SALT:-$PWD/.build/salt/bin/salt-call} place=$work/salt key host
  [ -x "$salt" ] || {
    left_out "salt, which is not installed (scripts/install-python --integrations)"
    return
  }
  key=$(sed -n 's/^MINIO_KMS_API_KEY="\(.*\)"$/\1/p' "$LAB_SETTINGS")
  mkdir -p "$place/pillar"
  cp -r integrations/salt "$place/states"
  cp scripts/test-integrations.d/salt/*.sls "$place/states/"
  printf "base: {'*': [minio]}\n" >"$place/pillar/top.sls"
  printf 'minio: {secrets: {MINIO_KMS_API_KEY: "%s"}}\n' "$key" >"$place/pillar/minio.sls"
  # At debug Salt logs each pillar file that it reads itself, which is a master's business elsewhere.
  cat >"$place/minion" <<'MINION'
file_client: local
file_roots: {base: [/tmp/salt/states]}
pillar_roots: {base: [/tmp/salt/pillar]}
cachedir: /var/cache/salt
log_file: /var/log/salt-minion
log_level_logfile: info
id: node
MINION
  for host in minio-1 minio-2 minio-3; do
    tar -C "$work" -cf - salt | scripts/lab exec "$host" tar -C /tmp -xf -
    scripts/lab exec "$host" "$salt" --local -c /tmp/salt --log-level=quiet saltutil.sync_all >"$work/log" 2>&1 ||
      fault "salt, $host: $(tail -n 3 "$work/log")"
  done

  salt_state minio-1 '[null,64,true]' \
    '[.result, (.changes.proposal.new | length), (.changes.difference | length > 0)]' settings test=True
  for host in minio-1 minio-2 minio-3; do
    salt_state "$host" '[true,64]' '[.result, (.changes.proposal.new | length)]' settings
  done
  salt_state minio-3 true .result settings 'pillar={wait: 60}'
  for host in minio-1 minio-2 minio-3; do
    salt_state "$host" '[true,0,true]' \
      '[.result, (.changes | length), (.comment | startswith("already in force"))]' settings
    salt_state "$host" '[true,0]' '[.result, (.changes | length)]' settings test=True
  done
  salt_state minio-1 '[false,true]' '[.result, (.comment | contains("is sealed since rollout"))]' settings \
    'pillar={key: other}'
  scripts/lab exec minio-2 systemctl stop keyturnd.service keyturnd.socket
  salt_state minio-2 '[false,true]' '[.result, (.comment | contains("is keyturnd running"))]' settings
  scripts/lab exec minio-2 systemctl start keyturnd
  salt_state minio-2 true .result settings

  salt_state minio-1 '[null,"by-salt"]' '[.result, .changes["by-salt"].new.key]' buckets test=True
  salt_state minio-1 '[true,"by-salt"]' '[.result, .changes["by-salt"].new.key]' buckets
  salt_state minio-1 '[true,0]' '[.result, (.changes | length)]' buckets test=True
  salt_state minio-1 '[true,0]' '[.result, (.changes | length)]' buckets

  ! grep -nF -e "$key" "$work/salt.out" >"$work/log" || fault "salt prints a secret: $(head -n 1 "$work/log")"
  for host in minio-1 minio-2 minio-3; do
    scripts/lab exec "$host" sh -c 'journalctl -q -o cat; cat /var/log/salt-minion; grep -r . /var/cache/salt' \
      >"$work/traces" 2>/dev/null || true
    grep -q keyturn.settings "$work/traces" || fault "$host: salt has logged nothing that could be searched"
    ! grep -anF -e "$key" "$work/traces" >"$work/log" || fault "$host: a secret was left: $(head -n 1 "$work/log")"
  done
}
