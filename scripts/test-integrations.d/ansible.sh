# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Part of scripts/test-integrations: the collection, with the real ansible-playbook.

# As much as Ansible can say (-vvvv, --diff), and none of it a secret. On the nodes over a connection of the lab's own,
# and for the whole cluster from here. LAB_SETTINGS is in force on all nodes before.
ansible_in_the_lab() {
  local program=${KEYTURN_ANSIBLE:-$PWD/.build/ansible/bin/ansible-playbook}
  [ -x "$program" ] || {
    left_out "ansible, which is not installed (scripts/install-python --integrations)"
    return
  }
  local place=$work/ansible out=$work/ansible.out key host other=k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8
  key=$(sed -n 's/^MINIO_KMS_API_KEY="\(.*\)"$/\1/p' "$LAB_SETTINGS")
  printf '%s\n' "$key" "$other" lab-admin-password >"$work/secrets"
  mkdir -p "$place/collections/ansible_collections/keyturn" "$place/connection"
  ln -s "$PWD/integrations/ansible" "$place/collections/ansible_collections/keyturn/minio"
  ln -s "$PWD/scripts/test-integrations.d/ansible/lab.py" "$place/connection/"
  {
    printf 'nodes:\n  hosts: {minio-1: , minio-2: , minio-3: }\n'
    printf '  vars:\n    ansible_connection: lab\n    ansible_python_interpreter: /usr/bin/python3\n    wanted:\n'
    sed -n '/API_KEY/d; s/^\(MINIO_[A-Z_]*\)=/      \1: /p' "$LAB_SETTINGS"
    printf '    hidden: {MINIO_KMS_API_KEY: "%s"}\n    other_key: "%s"\n    root_password: lab-admin-password\n' \
      "$key" "$other"
  } >"$place/hosts.yml"
  ANSIBLE_CONNECTION_PLUGINS=$place/connection ANSIBLE_COLLECTIONS_PATH=$place/collections ANSIBLE_HOME=$place/home \
    ANSIBLE_LOCALHOST_WARNING=0 ANSIBLE_NOCOLOR=1 \
    scripts/lab run "$program" -vvvv --diff -f 2 -i "$place/hosts.yml" scripts/test-integrations.d/ansible/test.yml \
    >"$out" 2>&1 || fault "ansible: $(grep -E '^(TASK|fatal|failed|\[ERROR\])' "$out" | tail -n 5)"
  # Neither in what was printed, nor in ansible's own files, nor in logs and files of the hosts.
  ! grep -nF -f "$work/secrets" "$out" >"$work/log" || fault "ansible prints a secret: $(head -n 1 "$work/log")"
  ! grep -rlF -f "$work/secrets" "$place/home" >"$work/log" || fault "ansible leaves a secret in $(<"$work/log")"
  for host in minio-1 minio-2 minio-3; do
    scripts/lab exec "$host" sh -c 'journalctl -q -o cat; cat /root/.ansible/tmp/*/* /tmp/* /var/tmp/* 2>/dev/null' \
      >"$work/traces" || true
    grep -q 'Invoked with.*settings=' "$work/traces" || fault "$host: ansible has logged nothing that could be searched"
    ! grep -nF -f "$work/secrets" "$work/traces" >"$work/log" ||
      fault "$host: a secret was left: $(head -n 1 "$work/log")"
  done
}
