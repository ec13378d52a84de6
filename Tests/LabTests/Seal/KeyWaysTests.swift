// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

extension LabTests {
  /// Every way to another key on a sealed node that we know of, one by one, with the real systemd: refused before,
  /// refused by the start guard, or told within a second. The server is a static program, as MinIO is, that starts
  /// with whatever it is given.
  @Suite(.serialized, .lab(nodes: 2, keyManagers: 1))
  struct KeyWaysTests {
    let lab: Lab
    static let node = "minio-1"

    init() throws {
      lab = try #require(Lab.current)
      // One lab for all: the first test seals the key.
      guard try lab.exec(Self.node, "ls /run/minio.good 2>/dev/null || true").isEmpty else {
        return
      }
      try lab.encrypt()
      try StaticServer.install(on: Self.node, of: lab)
      try lab.exec(Self.node, "cp -p /etc/default/minio /run/minio.good")
    }

    /// Takes back whatever a way has made, and starts the server with the sealed key.
    func undo() throws {
      try lab.exec(
        Self.node,
        """
        systemctl stop minio
        for place in /etc/default/minio /etc/minio/config.env /etc/minio; do
          while mountpoint -q $place; do umount $place; done
        done
        rm -rf /etc/default/minio /etc/minio/config.env /etc/minio/open /tmp/minio.env /var/tmp/minio.env \
          /dev/shm/minio-lab.env /run/user/minio.env /srv/other /home/minio /etc/systemd/system/minio.service.d/x*.conf
        cp -p /run/minio.good /etc/default/minio
        [ ! -e /run/10-keyturn.conf ] || mv /run/10-keyturn.conf /etc/systemd/system/minio.service.d/
        systemctl unset-environment MINIO_KMS_SSE_KEY MINIO_KMS_ENCLAVE MINIO_CONFIG_ENV_FILE
        systemctl daemon-reload; systemctl reset-failed minio; systemctl start minio
        """)
    }

    // MARK: the loader's variables

    /// ld.so(8), mallopt(3) and glibc's list of what a set-user-ID program must not get, with values that do something
    /// where there are such.
    static let loaderVariables = [
      "LD_TRACE_LOADED_OBJECTS=1", "LD_TRACE_LOADED_OBJECTS=", "LD_TRACE_LOADED_OBJECTS=2",
      "LD_TRACE_PRELINKING=1", "LD_ASSUME_KERNEL=2.0.0", "LD_AUDIT=/nowhere.so", "LD_BIND_NOT=1",
      "LD_BIND_NOW=1", "LD_DEBUG=help", "LD_DEBUG=all", "LD_DEBUG_OUTPUT=/tmp/debug",
      "LD_DYNAMIC_WEAK=1", "LD_HWCAP_MASK=0", "LD_LIBRARY_PATH=/nowhere", "LD_LIBRARY_VERSION=1",
      "LD_ORIGIN_PATH=/nowhere", "LD_POINTER_GUARD=0", "LD_PREFER_MAP_32BIT_EXEC=1",
      "LD_PRELOAD=/nowhere.so", "LD_PROFILE=libc.so.6", "LD_PROFILE_OUTPUT=/tmp", "LD_SHOW_AUXV=1",
      "LD_UNUSED=1", "LD_USE_LOAD_BIAS=1", "LD_VERBOSE=1", "LD_WARN=1", "LDD_ARGV0=x",
      "GLIBC_TUNABLES=glibc.malloc.check=3", "GLIBC_TUNABLES=glibc.rtld.nns=0",
      "GCONV_PATH=/nowhere",
      "GETCONF_DIR=/nowhere", "HOSTALIASES=/nowhere", "LOCALDOMAIN=x", "LOCPATH=/nowhere",
      "MALLOC_ALIGN_MASK=1", "MALLOC_ARENA_MAX=1", "MALLOC_ARENA_TEST=1", "MALLOC_CHECK_=3",
      "MALLOC_MMAP_MAX_=0", "MALLOC_MMAP_THRESHOLD_=1", "MALLOC_PERTURB_=255",
      "MALLOC_TCACHE_COUNT=0", "MALLOC_TOP_PAD_=1", "MALLOC_TRACE=/tmp/trace",
      "MALLOC_TRIM_THRESHOLD_=1", "NIS_PATH=/nowhere", "NLSPATH=/nowhere",
      "RESOLV_HOST_CONF=/nowhere", "RES_OPTIONS=debug", "TMPDIR=/nowhere", "TZDIR=/nowhere",
      "TZ=:x",
      "LANG=xx", "LC_ALL=xx", "LANGUAGE=xx", "OPENSSL_CONF=/nowhere",
      "OPENSSL_CONF_INCLUDE=/nowhere",
      "OPENSSL_MODULES=/nowhere", "OPENSSL_ENGINES=/nowhere", "OPENSSL_ia32cap=0",
      "SWIFT_BACKTRACE=x",
      "SWIFT_DEBUG_HELP=1", "SWIFT_BINARY_COMPATIBILITY_VERSION=5.0", "SWIFT_ROOT=/nowhere",
    ]

    /// The drop-in keeps them from the guard; and where it does not, the guard is static.
    @Test(
      "no variable of the loader or of glibc in the environment file lets a start with another key pass",
      arguments: [false, true])
    func loader(isHandedOver: Bool) throws {
      if isHandedOver {
        try lab.exec(
          Self.node,
          """
          printf '[Service]\\nUnsetEnvironment=\\n' >/etc/systemd/system/minio.service.d/x.conf
          systemctl daemon-reload
          """)
      }
      let printed = try lab.exec(
        Self.node,
        """
        systemctl stop minio
        while read -r line; do
          sed 's/^MINIO_KMS_SSE_KEY=.*/MINIO_KMS_SSE_KEY="another-key"/' /run/minio.good >/etc/default/minio
          echo "$line" >>/etc/default/minio
          systemctl reset-failed minio; systemctl start minio 2>/dev/null; code=$?
          echo "$line $code $(systemctl show minio -P ActiveState) $(systemctl show minio -P MainPID)"
          systemctl stop minio
        done
        """, input: Self.loaderVariables.map { $0 + "\n" }.joined())
      let lines = printed.split(separator: "\n")
      #expect(lines.count == Self.loaderVariables.count)
      for line in lines { #expect(line.hasSuffix(" 1 failed 0"), "\(line)") }
      // Each of them by the guard, which said so.
      let said = try lab.exec(
        Self.node, "journalctl -q -u minio -o cat -t keyturn -p err | grep -c another-key")
      #expect(Int(said.filter(\.isNumber)) ?? 0 >= Self.loaderVariables.count)
      try undo()
    }

    // MARK: refused before

    /// Lines of a settings file, what is made on the node before, and the exit code of a plan.
    struct Planned {
      var name: String
      var settings = "MINIO_BROWSER=off\n"
      var prepare = "true"
      var exit: Int32 = 6

      init(_ name: String, _ settings: String? = nil, prepare: String = "true", exit: Int32 = 6) {
        self.name = name
        self.settings = settings ?? self.settings
        self.prepare = prepare
        self.exit = exit
      }

      /// A second file at a path.
      static func config(_ path: String, _ prepare: String = "true", exit: Int32 = 6) -> Planned {
        Planned(
          "MINIO_CONFIG_ENV_FILE=\(path); \(prepare)", "MINIO_CONFIG_ENV_FILE=\(path)\n",
          prepare: prepare, exit: exit)
      }

      /// A drop-in.
      static func unit(_ lines: String, _ settings: String? = nil, exit: Int32 = 6) -> Planned {
        Planned(
          lines, settings,
          prepare:
            "printf '[Service]\\n\(lines)\\n' >/etc/systemd/system/minio.service.d/x.conf; systemctl daemon-reload",
          exit: exit)
      }
    }

    static let config = "/etc/minio/config.env"
    private static let harmless = "MINIO_CONFIG_ENV_FILE=\(config)\n"
    private static let make = "echo MINIO_BROWSER=on >\(config)"

    static let planned: [Planned] = [
      Planned("another key", "MINIO_KMS_SSE_KEY=another-key\n"),
      Planned("an empty key", "MINIO_KMS_SSE_KEY=\n", exit: 6),
      Planned("another enclave", "MINIO_KMS_ENCLAVE=other\n"),
      Planned(
        "Environment=",
        prepare: """
          printf '[Service]\\nEnvironment=MINIO_KMS_SSE_KEY=another-key\\n' \
            >/etc/systemd/system/minio.service.d/x.conf; systemctl daemon-reload
          """),
      Planned(
        "set-environment", prepare: "systemctl set-environment MINIO_KMS_SSE_KEY=another-key"),
      Planned(
        "a second EnvironmentFile=",
        prepare: """
          mkdir /srv/other; echo MINIO_KMS_SSE_KEY=another-key >/srv/other/env
          printf '[Service]\\nEnvironmentFile=/srv/other/env\\n' \
            >/etc/systemd/system/minio.service.d/x.conf; systemctl daemon-reload
          """),
      .unit("UnsetEnvironment=MINIO_KMS_SSE_KEY"),
      .config("/tmp/minio.env", "echo MINIO_KMS_SSE_KEY=another-key >/tmp/minio.env"),
      .config("/tmp/minio.env"),
      .config("/var/tmp/minio.env", "echo MINIO_KMS_SSE_KEY=another-key >/var/tmp/minio.env"),
      .config("/dev/shm/minio-lab.env", "echo MINIO_X=1 >/dev/shm/minio-lab.env"),
      .config("/run/user/minio.env", "mkdir -p /run/user; echo MINIO_X=1 >/run/user/minio.env"),
      .config("/proc/self/environ"), .config("/proc/1/environ"), .config("/dev/stdin"),
      .config("minio/config.env"), .config("/etc/minio/none.env"), .config("/etc/../tmp/minio.env"),
      .config(config, "echo MINIO_KMS_SSE_KEY=another-key >\(config)"),
      .config(config, "\(make); chmod 666 \(config)"),
      .config(config, "\(make); chown minkms \(config)"),
      .config(config, "echo MINIO_X=1 >/tmp/minio.env; ln -s /tmp/minio.env \(config)"),
      .config(config, "ln -s /proc/self/environ \(config)"),
      .config(
        "/etc/minio/open/a.env",
        "mkdir -m 777 /etc/minio/open; echo MINIO_X=1 >/etc/minio/open/a.env"),
      .config(
        "/etc/minio/open/a.env",
        "mkdir -m 1777 /etc/minio/open; echo MINIO_X=1 >/etc/minio/open/a.env"),
      .config(
        config,
        "mkdir -m 777 /etc/minio/open; ln -s ../x /etc/minio/open/l; ln -s open/l/../a \(config)"),
      Planned(
        "BindPaths= over the second file", harmless,
        prepare: """
          \(make); mkdir /srv/other; echo MINIO_KMS_SSE_KEY=another-key >/srv/other/config.env
          printf '[Service]\\nBindPaths=/srv/other:/etc/minio\\n' \
            >/etc/systemd/system/minio.service.d/x.conf; systemctl daemon-reload
          """),
      Planned(
        "ProtectHome= over the second file", "MINIO_CONFIG_ENV_FILE=/home/minio/config.env\n",
        prepare: """
          mkdir -p /home/minio; echo MINIO_X=1 >/home/minio/config.env
          printf '[Service]\\nProtectHome=yes\\n' \
            >/etc/systemd/system/minio.service.d/x.conf; systemctl daemon-reload
          """),
      Planned(
        "InaccessiblePaths= over the second file", harmless,
        prepare: """
          \(make); printf '[Service]\\nInaccessiblePaths=\(config)\\n' \
            >/etc/systemd/system/minio.service.d/x.conf; systemctl daemon-reload
          """),
      .unit("PAMName=login"),
      .unit("RootDirectory=/srv", exit: 5), .unit("TemporaryFileSystem=/var/lib/keyturn", exit: 5),
      .unit("UnsetEnvironment=", exit: 5),
      .unit("ExecStartPre=", exit: 5),
      .unit(
        "ExecStartPre=\\nExecStartPre=-+/usr/local/libexec/keyturn-guard/keyturn guard", exit: 5),
      .unit("ExecStartPre=\\nExecStartPre=/usr/local/bin/keyturn guard", exit: 5),
      .unit(
        "ExecStartPre=\\nExecStartPre=+@/bin/true /usr/local/libexec/keyturn-guard/keyturn guard",
        exit: 5),
      .unit(
        "ExecStartPre=\\nExecStartPre=+/usr/local/libexec/keyturn-guard/keyturn guard --help",
        exit: 5),
      .unit(
        "ExecStartPre=\\nExecStartPre=+/usr/local/libexec/keyturn-guard/keyturn guard --state /srv",
        exit: 5),
      Planned(
        "the drop-in is gone",
        prepare: """
          mv /etc/systemd/system/minio.service.d/10-keyturn.conf /run/; systemctl daemon-reload
          """, exit: 5),
    ]

    @Test("a rollout that another key could come by is refused before anything is touched")
    func planned() throws {
      for way in Self.planned {
        try lab.exec(Self.node, way.prepare)
        let before = try lab.footprint()
        let plan = try lab.keyturn(
          "apply", "--yes", "--settings", lab.file("way.env", way.settings))
        #expect(plan.status == way.exit, "\(way.name): \(plan.stdout)\(plan.stderr)")
        try lab.expectUntouched(since: before)
        try undo()
      }
    }
  }
}
