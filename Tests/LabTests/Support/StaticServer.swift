// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing
import Threads

/// A server as MinIO is to the loader: one static program. It says READY=1 and waits to be ended; what is in its
/// environment it leaves alone, as a server does that is past the Key Manager.
enum StaticServer {
  private static let source = #"""
    #include <stddef.h>
    #include <stdlib.h>
    #include <string.h>
    #include <sys/socket.h>
    #include <sys/un.h>
    #include <unistd.h>
    int main(void) {
      const char *name = getenv("NOTIFY_SOCKET");
      struct sockaddr_un place = {.sun_family = AF_UNIX};
      if (name && strlen(name) < sizeof place.sun_path) {
        int file = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        strcpy(place.sun_path, name);
        if (place.sun_path[0] == '@') place.sun_path[0] = 0;
        sendto(file, "READY=1", 7, 0, (struct sockaddr *)&place,
               offsetof(struct sockaddr_un, sun_path) + strlen(name));
      }
      for (;;) pause();
    }
    """#

  /// Puts it in the server's place on a host: the next start is one of it.
  static func install(on host: String, of lab: Lab) throws {
    let program = lab.directory.path("minio-static")
    try Subprocess.run(
      "/usr/bin/env", ["cc", "-static", "-O1", "-x", "c", "-o", program, "-"], input: source,
      until: .inMilliseconds(60_000)
    ).mustSucceed("compile the static server")
    try lab.exec(host, "mkdir -p /usr/local/lib/static")
    try Subprocess.run(
      "/bin/cp", [program, "\(lab.root(of: host))/usr/local/lib/static/minio"],
      until: .inMilliseconds(10_000)
    ).mustSucceed("copy the static server")
    try lab.exec(
      host,
      """
      cat >/etc/systemd/system/minio.service.d/a-static.conf <<'UNIT'
      [Service]
      ExecStart=
      ExecStart=/usr/local/lib/static/minio server $MINIO_OPTS $MINIO_VOLUMES
      Restart=no
      UNIT
      systemctl daemon-reload && systemctl restart minio
      """)
  }
}
