// SPDX-License-Identifier: Apache-2.0

/// Every limit on what comes from outside, in one place, each with its unit in its name.
///
/// Each is tested at the limit and one past it, where it is enforced.
package enum Limits {
  /// An environment or settings file, bytes.
  package static let environmentFileBytes = 1 << 20
  package static let inventoryFileBytes = 1 << 20
  /// A durable record of the agent, bytes: the largest environment file with a generation's head,
  /// and three rollouts of the largest inventory.
  package static let recordFileBytes = 4 << 20
  /// A plan in a file, bytes: the largest inventory's, with the largest settings.
  package static let savedPlanBytes = 8 << 20
  /// One line of an HTTP request or response head, bytes.
  package static let httpLineBytes = 8 << 10
  package static let httpHeaderCount = 64
  /// The whole head of an HTTP message, bytes.
  package static let httpHeadBytes = 32 << 10
  /// The body of an HTTP message between Keyturn's own programs, bytes.
  package static let httpBodyBytes = 4 << 20
  /// The body of an answer of a MinIO or Key Manager host, bytes.
  package static let probeBodyBytes = 64 << 10
  /// Names that the server is asked for in one look at whether it takes writes.
  package static let writeQuestions = 16
  /// The name of a key in an answer of the server, bytes.
  package static let keyNameBytes = 255
  /// How long a server that is to be confirmed without a restart may take until all of it is good, milliseconds.
  package static let confirmMilliseconds = 30_000
  package static let passphraseBytes = 8...1024
  /// What a rollout was for, in its author's words, bytes.
  package static let noteBytes = 200
  /// Connections that an agent serves at once, after their handshake.
  package static let agentConnections = 64
  /// Of these, connections of one role and name.
  package static let connectionsOfHolder = 16
  /// Of these, places that are kept for operators, members (nodes and witnesses), and observers.
  package static let agentPlacesKept = (operators: 16, members: 24, observers: 4)
  /// Connections that wait for the end of their handshake at once.
  package static let handshakes = 128
  /// Of these, connections of one source: an IPv4 address or an IPv6 network of 64 bits.
  package static let handshakesOfSource = 16
  /// From this number of waiting connections on, a source that has one may be refused another.
  package static let handshakesUnderPressure = 48
  /// The probability of that refusal at the beginning of pressure, percent.
  package static let handshakeRefusalPercent = 30
  /// The largest body of most requests, bytes. A longer one counts as large.
  package static let smallBodyBytes = 64 << 10
  /// What all bodies that are being read or answered may cost at once, bytes.
  package static let bodyBudgetBytes = 64 << 20
  /// What a body costs in memory, by its length: itself, its buffer, and what it is decoded to.
  package static let bodyCostFactor = 8
  /// How long a request waits until there is memory for its body, milliseconds.
  package static let bodyWaitMilliseconds = 5_000
  /// Values in the JSON of one request: what decoding costs beyond its length.
  package static let jsonValues = 150_000
  /// Connections to the agent's local socket at once.
  package static let localConnections = 8
  /// How long an agent waits for the next request on an idle connection, milliseconds.
  package static let agentIdleMilliseconds = 120_000
  /// How long a client may take to send one whole request, or to take one whole answer,
  /// milliseconds.
  package static let agentTransferMilliseconds = 10_000
  /// How long a TLS handshake may take, and a client's whole connecting, milliseconds.
  package static let handshakeMilliseconds = 5_000
  /// How long the other agents may take to report their seals, all of them together.
  package static let peersMilliseconds = 2_000
  /// Questions to other agents at once, each on a connection of its own.
  package static let peersAtOnce = 8
  /// How long another agent's host may take to accept a connection, milliseconds: a host that is
  /// gone must not use up the whole time for an answer.
  package static let peerConnectMilliseconds = 300
  package static let inventoryNodes = 4096
  /// Drives of a pool of MINIO_VOLUMES that are compared one by one.
  package static let volumeDrives = 1 << 16
  /// The names of these together, bytes.
  package static let volumeDriveBytes = 8 << 20
  package static let inventoryKeyManagers = 64
  /// A node's, cluster's or host's name, characters.
  package static let nameCharacters = 64
  package static let settingsInChange = 256
  package static let longPollMilliseconds = 25_000
  package static let journalLinesInAnswer = 2_000
  /// How many lines back from the journal's end may be asked for.
  package static let journalLinesBack = 100_000
  /// Text of journal lines in one answer, bytes: six times that, for what JSON escapes, fits into a
  /// body. The line that goes beyond it is the last.
  package static let journalBytesInAnswer = 512 << 10
  /// One journal line, bytes; longer ones are cut.
  package static let journalLineBytes = 16 << 10
  /// Events that an agent keeps of one rollout: so many of the first, and the last.
  package static let rolloutEvents = 512
  /// Events from the beginning that are kept whatever comes.
  package static let firstRolloutEvents = 64
  /// The detail of one event, bytes; longer ones are cut.
  package static let rolloutDetailBytes = 2_048
  /// Lines that an agent keeps of what a rollout changes in its file, and the bytes of one; the rest is counted, longer
  /// ones are cut.
  package static let rolloutChangeLines = 200
  package static let rolloutChangeBytes = 512
  /// The reason of a rollout's outcome or result that a peer or a record tells, bytes; longer ones
  /// are cut.
  package static let reasonBytes = 8 << 10
  /// An agent's version that a peer tells, bytes; a longer one is cut.
  package static let versionBytes = 64
  /// The highest version of the rollout protocol that a program can speak.
  package static let protocolNumber = 10_000
  /// A name that a peer's message gives beside it, bytes.
  package static let nameInMessageBytes = 512
  package static let timelines = 20
  package static let generations = 20
  package static let generationNumber = 99_999_999
  /// How far above a node's last generation the next one's number may be.
  package static let generationStep = 1_000
  /// The highest number of a node's first generation: a node that is new joins the others' count.
  package static let firstGenerations = 1_000_000
  /// The highest epoch at any time: seconds of 136 years.
  package static let epoch: UInt64 = 1 << 32
  /// How far an epoch or a ballot's round may be ahead of the seconds since 1970, seconds: so much
  /// may wall clocks differ.
  package static let counterAheadSeconds: UInt64 = 600
  /// The highest serial number of a member's statements.
  package static let serial: UInt64 = 1 << 53
  /// How far from a host's boot an instant may be, nanoseconds, 36 years: eight such can be added.
  package static let instantNanoseconds: Int64 = 1 << 60
  /// How far in the past a decision's instant may be, milliseconds: it may be learnt late.
  package static let decisionPastMilliseconds = 3_600_000
  /// How far ahead a decision's instant may be, milliseconds.
  package static let decisionAheadMilliseconds = 600_000
  /// The last time of day that can be written with a year of four digits, seconds since 1970-01-01
  /// UTC.
  package static let wallSeconds: Int64 = 253_402_300_799
  /// The longest that anything may be told to take, milliseconds: a day.
  package static let durationMilliseconds = 86_400_000
  package static let settleMilliseconds = 3_600_000
  package static let count = 1 << 40
  /// Addresses of one Key Manager endpoint that are probed.
  package static let endpointAddresses = 16
  /// Agents that renew their certificates at the same time.
  package static let renewalsAtOnce = 32
  /// A path, bytes (PATH_MAX), and the end of its line.
  package static let pathBytes = 4_097
  /// CAs that are trusted at once: two during a change.
  package static let authorities = 2
  /// The list of them, bytes.
  package static let authoritiesBytes = 24 << 10
  /// People whose certificates an agent has seen, and remembers until its next start.
  package static let sightings = 256
  /// Holders whose certificates are revoked.
  package static let revocations = 4_096
  /// How far an entry of that list may be ahead of the clock of who adds to it, seconds: that is waited for.
  package static let revocationWaitSeconds: Int64 = 60
  /// By how much the number of a list of trusted CAs may be beyond that of half of the hosts. A change takes two.
  package static let authoritiesJump = 1_024
  /// The list of them, bytes.
  package static let revocationBytes = 768 << 10
  /// The certificate of an agent with its chain, PEM, bytes.
  package static let certificateFileChainBytes = 64 << 10
  /// How long a request for a certificate is kept for whoever asks for one, milliseconds.
  package static let certificateRequestMilliseconds = 600_000
  /// A certificate or a request for one, PEM, bytes.
  package static let certificateBytes = 8 << 10
  /// A file to join with: inventory, list of revoked certificates (twice, for what JSON writes as two characters), key.
  package static let joinFileBytes = inventoryFileBytes + 2 * revocationBytes + recordFileBytes
  /// A file of certificates in the server's CAs folder, bytes.
  package static let certificateFileBytes = 4 << 20
  /// The server's program, bytes.
  package static let programBytes = 1 << 30
  /// How long a plan or a vote waits until the server's program has been read, milliseconds.
  package static let programMilliseconds = 10_000
  /// The same of a look for status or drift.
  package static let programLookMilliseconds = 3_000
  /// Key proofs that a node keeps, and that it takes in one answer of another.
  package static let keyProofs = 4
  /// Key proofs of other nodes that a node opens in one look.
  package static let toldKeyProofs = 16
  /// How much later than now another node's key proof may say that it was made, microseconds: a day, for clocks that are
  /// wrong.
  package static let keyProofFutureMicroseconds: Int64 = 86_400_000_000
  /// How long the key proofs are looked at after a start, milliseconds.
  package static let keyProofStartMilliseconds = 3_000
  /// How long a key proof may be missing until that is a warning, and until the next node makes it, milliseconds.
  package static let keyProofLateMilliseconds = 600_000
  /// The encrypted data key of one, bytes.
  package static let proofCiphertextBytes = 2_048
  /// Looks after which another key that is not met again is taken to be gone: a minute, as they are then.
  package static let keyProofAlarmLooks = 6
  /// Hosts behind one name of which an alarm keeps that they have another key.
  package static let keyProofAlarmHosts = 16
  /// Endpoints in MINIO_KMS_SERVER after expansion of `{1...3}`.
  package static let keyManagerEndpoints = 64
  /// Hosts of a list such as MINIO_VOLUMES that are compared with each other.
  package static let listedHosts = 256
  /// Addresses of one name that a witness tries.
  package static let addressesOfName = 16
  /// Connections that a witness serves at once: every node may ask at the same time.
  package static let witnessConnections = 128
  /// Of these, places that are kept for operators, members (nodes), and observers.
  package static let witnessPlacesKept = (operators: 8, members: 96, observers: 4)
  /// Nodes that a witness connects back to at once; more wait.
  package static let witnessAtOnce = 32
  /// Questions of one node that a witness takes in a burst.
  package static let witnessBurst = 20
  /// How long it takes until a node may ask once more after its burst, milliseconds.
  package static let witnessRefillMilliseconds = 500
  /// How long a witness tries to connect back, milliseconds; less if the inventory's probe timeout
  /// is short.
  package static let witnessMilliseconds = 3_000
  /// Callers of which a witness remembers that it has refused them, for its log.
  package static let witnessRemembered = 256
  package static let witnessBodyBytes = 1 << 10
  /// How long a node answers for a nonce that it has handed out, milliseconds.
  package static let nonceMilliseconds = 15_000
  /// Nonces that a node has handed out and answers for.
  package static let nonces = 1_024
  /// The longest that a check may be told to take, milliseconds.
  package static let checkMilliseconds = 60_000
  /// How old a look may be that answers an observer's check, milliseconds.
  package static let observersCheckAgeMilliseconds = 5_000
  /// The frame payload of a Key Manager answer, bytes.
  package static let frameBytes = 64 << 10
  /// An XML document of an S3 server, bytes.
  package static let xmlBytes = 4 << 20
  /// Elements within one another in it.
  package static let xmlDepth = 16
  /// Elements in it.
  package static let xmlElements = 50_000
  /// The sentence of an S3 server's error, characters; longer ones are cut.
  package static let s3MessageCharacters = 500
  /// An answer of an S3 server, bytes: the larger object of a proof and more.
  package static let s3BodyBytes = 4 << 20
  /// Buckets that are looked at in one run.
  package static let buckets = 10_000
  /// How long an S3 server may take for one answer, milliseconds.
  package static let s3Milliseconds = 30_000
  /// How often a request is sent to a server that says that it is busy.
  package static let s3Attempts = 6

  /// The longest time from one rollout of proposals to the next that an inventory may ask for, seconds: 30 days.
  package static let proposalIntervalSeconds = 2_592_000
  /// How long an operator's approval of a proposal counts, seconds: 7 days.
  package static let proposalApprovalSeconds = 604_800
}
