// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

extension LabTests {
  /// Agents and witnesses whose certificates have expired: what is said, and the documented way out of it
  /// (docs/use/runbooks.md, "A certificate of an agent that has expired").
  @Suite(.serialized, .lab(nodes: 2, keyManagers: 1, witnesses: true))
  struct ExpiredCertificateTests {
    let lab: Lab

    init() throws { lab = try #require(Lab.current) }

    /// The host's certificate becomes one of the same names and CA that ended two days ago.
    private func expire(_ host: String) throws {
      let present = try lab.exec(host, "cat /etc/keyturn/credentials/cert.pem")
      let folder = lab.directory.path("expired-\(host)")
      try lab.run("rm -rf \(folder) && mkdir -p \(folder)")
      _ = try lab.file("expired-\(host)/present.pem", present)
      let both = try lab.run(
        """
        cd \(folder) && : >index && umask 077 &&
        names=$(openssl x509 -in present.pem -noout -ext subjectAltName | tail -n 1 | tr -d ' ' | sed 's|IPAddress:|IP:|g') &&
        cat >config <<CONFIG
        [ca]
        default_ca = here
        [here]
        database = index
        new_certs_dir = .
        rand_serial = yes
        default_md = sha256
        policy = any
        unique_subject = no
        [any]
        commonName = supplied
        [leaf]
        basicConstraints = critical,CA:false
        keyUsage = critical,digitalSignature
        extendedKeyUsage = serverAuth,clientAuth
        subjectAltName = $names
        CONFIG
        openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=\(host) \
          -keyout key.pem -out request.pem 2>errors &&
        openssl ca -batch -notext -config config -extensions leaf -cert \(lab.pki)/ca.pem \
          -keyfile \(lab.pki)/ca-key.pem -in request.pem \
          -startdate $(date -u -d '9 days ago' +%Y%m%d%H%M%SZ) \
          -enddate $(date -u -d '2 days ago' +%Y%m%d%H%M%SZ) -out cert.pem 2>>errors &&
        cat cert.pem key.pem
        """)
      try lab.exec(
        host,
        """
        umask 077; cat >/root/both.pem; cd /etc/keyturn/credentials &&
        sed -n '/CERT/,/CERT/p' /root/both.pem >cert.pem &&
        sed -n '/PRIVATE/,/PRIVATE/p' /root/both.pem >key.pem &&
        rm -f /var/lib/keyturn/certificate /root/both.pem && systemctl restart keyturnd
        """, input: both)
    }

    /// As the runbook says it.
    private func mend(_ host: String) throws {
      let issued = try lab.keyturn("pki", "issue", "--join", host, "--pki", lab.pki)
      try #require(issued.status == 0, "\(issued.stdout)\(issued.stderr)")
      let file = try lab.run("cat \(lab.pki)/\(host).join")
      let joined = try lab.exec(
        host,
        "umask 077 && cat >/root/h.join && keyturn join --replace /root/h.join 2>&1; echo $?",
        input: file)
      #expect(joined.hasSuffix("\n0\n"), "\(joined)")
      let renewed = try lab.keyturn("pki", "renew", host, "--pki", lab.pki)
      #expect(renewed.status == 0, "\(renewed.stdout)\(renewed.stderr)")
    }

    @Test("a node's: its agent is told as unreachable with the reason, and one file mends it")
    func node() throws {
      try lab.encrypt()
      let server = try lab.properties(of: "minio", on: "minio-2", "InvocationID")
      try expire("minio-2")
      let status = try lab.keyturn("status")
      #expect(status.status == 3, "\(status.stdout)\(status.stderr)")
      #expect((status.stdout + status.stderr).contains("expired"), "\(status.stderr)")
      let renewed = try lab.keyturn("pki", "renew", "minio-2", "--pki", lab.pki)
      #expect(renewed.status != 0 && renewed.stderr.contains("expired"), "\(renewed.stderr)")
      // Nothing is begun without it.
      let apply = try lab.keyturn("restart", "--yes")
      #expect(apply.status == 4 && apply.stderr.contains("nothing was touched"), "\(apply.stderr)")

      try mend("minio-2")
      let mended = try lab.keyturn("status")
      #expect(mended.status == 0, "\(mended.stdout)\(mended.stderr)")
      #expect(try lab.properties(of: "minio", on: "minio-2", "InvocationID") == server)
      let restart = try lab.keyturn("restart", "--yes")
      #expect(restart.status == 0, "\(restart.stdout)\(restart.stderr)")
    }

    @Test("a witness's: the direction back is not verified, and the same mends it")
    func witness() throws {
      try expire("kms-1")
      let check = try lab.keyturn("check")
      #expect(check.status == 0 && check.stdout.contains("back unverified"), "\(check.stdout)")
      #expect((check.stdout + check.stderr).contains("expired"), "\(check.stdout)\(check.stderr)")
      try mend("kms-1")
      let mended = try lab.keyturn("check")
      #expect(mended.status == 0, "\(mended.stdout)\(mended.stderr)")
    }
  }
}
