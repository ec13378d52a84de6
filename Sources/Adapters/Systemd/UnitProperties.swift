// SPDX-License-Identifier: Apache-2.0
internal import Model
internal import ServerUnit

extension UnitState {
  /// The answer to `GetAll("")` of a unit's object: a dictionary from names to variants.
  init(reading reader: BusReader) throws(BusFailure) {
    var state = UnitState(id: "", activeState: "", subState: "")
    try reader.properties { (name) throws(BusFailure) in
      if try state.readText(name, reader) { return }
      if try state.readNumber(name, reader) { return }
      if try state.readList(name, reader) { return }
      if try state.sandbox.read(name, reader) { return }
      try reader.skip("v")
    }
    self = state
  }

  private mutating func readText(_ name: String, _ reader: BusReader) throws(BusFailure) -> Bool {
    let property: WritableKeyPath<UnitState, String>
    switch name {
    case "Id": property = \.id
    case "LoadState": property = \.loadState
    case "ActiveState": property = \.activeState
    case "SubState": property = \.subState
    case "Type": property = \.type
    case "Result": property = \.result
    case "User": property = \.user
    case "Group": property = \.group
    case "Restart": property = \.restart
    case "FragmentPath": property = \.fragmentPath
    case "NotifyAccess": property = \.notifyAccess
    default: return false
    }
    self[keyPath: property] = try reader.variant("s", reader.string)
    return true
  }

  private mutating func readNumber(_ name: String, _ reader: BusReader) throws(BusFailure) -> Bool {
    func uint32() throws(BusFailure) -> UInt32 { try reader.variant("u", reader.uint32) }
    func int32() throws(BusFailure) -> Int32 { try reader.variant("i", reader.int32) }
    func uint64() throws(BusFailure) -> UInt64 { try reader.variant("t", reader.uint64) }
    switch name {
    case "MainPID": mainPID = Int32(truncatingIfNeeded: try uint32())
    case "NRestarts": nRestarts = Int(try uint32())
    case "ActiveExitTimestampMonotonic": activeExitMonotonicMicroseconds = try uint64()
    case "InactiveEnterTimestampMonotonic": inactiveEnterMonotonicMicroseconds = try uint64()
    case "ExecMainStartTimestampMonotonic": execMainStartMonotonicMicroseconds = try uint64()
    case "ExecMainStartTimestamp": execMainStartRealtimeMicroseconds = try uint64()
    case "RestartUSec": restartMicroseconds = try uint64()
    case "ExecMainPID": execMainPID = Int32(truncatingIfNeeded: try uint32())
    case "ExecMainCode": execMainCode = try int32()
    case "ExecMainStatus": execMainStatus = try int32()
    case "StartLimitBurst": startLimitBurst = Int(try uint32())
    case "StartLimitIntervalUSec": startLimitIntervalMicroseconds = try uint64()
    case "TimeoutStartUSec": timeoutStartMicroseconds = try uint64()
    case "TimeoutStopUSec": timeoutStopMicroseconds = try uint64()
    case "AmbientCapabilities": ambientCapabilities = try uint64()
    case "CapabilityBoundingSet": capabilityBoundingSet = try uint64()
    case "SendSIGKILL": sendsSIGKILL = try reader.variant("b", reader.bool)
    case "NeedDaemonReload": needDaemonReload = try reader.variant("b", reader.bool)
    default: return false
    }
    return true
  }

  private mutating func readList(_ name: String, _ reader: BusReader) throws(BusFailure) -> Bool {
    func strings() throws(BusFailure) -> [String] { try reader.variant("as", reader.strings) }
    switch name {
    case "InvocationID":
      let bytes = try reader.variant("ay", reader.bytes)
      invocationID = bytes.hex
    case "Environment": environment = try strings()
    case "PassEnvironment": passEnvironment = try strings()
    case "UnsetEnvironment": unsetEnvironment = try strings()
    case "SupplementaryGroups": supplementaryGroups = try strings()
    case "DropInPaths": dropIns = try strings()
    case "EnvironmentFiles":
      environmentFiles = try reader.variant("a(sb)") { () throws(BusFailure) in
        try reader.array("(sb)") { () throws(BusFailure) in
          try reader.structure("sb") { () throws(BusFailure) in
            EnvironmentFile(path: try reader.string(), isOptional: try reader.bool())
          }
        }
      }
    case "ExecStart": execStart = try UnitState.commands(reader).first?.words ?? []
    case "ExecStartPreEx": startPre = try UnitState.commands(reader, hasFlags: true)
    case "ExecStartPre":
      // The same commands with less of their prefixes.
      let plain = try UnitState.commands(reader)
      if startPre.isEmpty { startPre = plain }
    case "Job":
      let (id, path) = try reader.variant("(uo)") { () throws(BusFailure) in
        try reader.structure("uo") { () throws(BusFailure) in
          (try reader.uint32(), try reader.objectPath())
        }
      }
      job = id == 0 ? nil : Job(id: id, path: path)
    default: return false
    }
    return true
  }

  /// - Parameter hasFlags: whether each command has the names of its prefixes' flags, instead of
  ///   whether its failure is ignored.
  private static func commands(
    _ reader: BusReader, hasFlags: Bool = false
  ) throws(BusFailure) -> [Command] {
    // Path, arguments, flags, four times of the last run, its PID, code, status.
    let form = hasFlags ? "sasasttttuii" : "sasbttttuii"
    return try reader.variant("a(\(form))") { () throws(BusFailure) in
      try reader.array("(\(form))") { () throws(BusFailure) in
        try reader.structure(form) { () throws(BusFailure) in
          let (path, words) = (try reader.string(), try reader.strings())
          let flags = hasFlags ? try reader.strings() : []
          try reader.skip(hasFlags ? "ttttu" : "bttttu")
          return Command(
            path: path, words: words, flags: flags, exitCode: try reader.int32(),
            exitStatus: try reader.int32())
        }
      }
    }
  }
}

extension UnitSandbox {
  /// Takes one of the unit's properties if it belongs here.
  mutating func read(_ name: String, _ reader: BusReader) throws(BusFailure) -> Bool {
    func text() throws(BusFailure) -> String { try reader.variant("s", reader.string) }
    func flag() throws(BusFailure) -> Bool { try reader.variant("b", reader.bool) }
    /// The strings at one place of each structure, whose fields are named by `before` and `after`.
    func places(_ before: String, _ after: String) throws(BusFailure) -> [String] {
      let fields = "\(before)s\(after)"
      return try reader.variant("a(\(fields))") { () throws(BusFailure) in
        try reader.array("(\(fields))") { () throws(BusFailure) in
          try reader.structure(fields) { () throws(BusFailure) in
            if !before.isEmpty { try reader.skip(before) }
            let place = try reader.string()
            try reader.skip(after)
            return place
          }
        }
      }
    }
    switch name {
    case "PrivateTmp": privateTmp = try flag()
    case "PrivateDevices": privateDevices = try flag()
    case "ProtectHome": protectHome = try text()
    case "RootDirectory", "RootImage":
      let place = try text()
      if !place.isEmpty { root = place }
    case "BindPaths", "BindReadOnlyPaths": mounts += try places("s", "bt")
    case "MountImages": mounts += try places("s", "ba(ss)")
    case "TemporaryFileSystem": mounts += try places("", "s")
    case "ExtensionImages":
      if try !places("", "ba(ss)").isEmpty { hasExtensions = true }
    case "ExtensionDirectories":
      let places = try reader.variant("as", reader.strings)
      if !places.isEmpty { hasExtensions = true }
    case "InaccessiblePaths": inaccessible = try reader.variant("as", reader.strings)
    case "PAMName": pamName = try text()
    default: return false
    }
    return true
  }
}

extension ManagerState {
  /// The answer to `GetAll` of the manager's object.
  init(reading reader: BusReader) throws(BusFailure) {
    var state = ManagerState()
    try reader.properties { (name) throws(BusFailure) in
      switch name {
      case "Version": state.version = try reader.variant("s", reader.string)
      case "Environment": state.environment = try reader.variant("as", reader.strings)
      default: try reader.skip("v")
      }
    }
    self = state
  }
}
