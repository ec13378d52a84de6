import Testing

@testable import Simulator

@Suite("Simulator") struct SimulatorTests {}
