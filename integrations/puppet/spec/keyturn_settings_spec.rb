# frozen_string_literal: true

# SPDX-License-Identifier: Apache-2.0
# `rspec -I lib spec`, beside an installed puppet.

require 'puppet'
require_relative '../lib/puppet_x/keyturn/proposal'

describe 'keyturn_settings' do
  let(:settings) { { 'MINIO_BROWSER' => 'off' } }
  let(:secrets) { Puppet::Pops::Types::PSensitiveType::Sensitive.new({ 'MINIO_KMS_API_KEY' => 'k1:secret' }) }

  def resource(**parameters)
    Puppet::Type.type(:keyturn_settings).new(name: 'a', **parameters)
  end

  # What keyturn was given, and what it says.
  def keyturn(code, *events)
    status = instance_double(Process::Status, success?: code.zero?, exitstatus: code)
    allow(PuppetX::Keyturn::Proposal).to receive(:program).and_return('/keyturn')
    allow(Open3).to receive(:capture3) do |*arguments, stdin_data:|
      @given = [arguments, stdin_data]
      [events.map { |event| "#{JSON.generate(event)}\n" }.join, '', status]
    end
  end

  it 'hands settings and secrets over by standard input, none by an argument' do
    keyturn(0, { event: 'result', changed: true, message: 'proposed' })
    expect(resource(settings: settings, secrets: secrets).property(:ensure).insync?(:unknown)).to be false
    expect(@given).to eq [%w[/keyturn propose --settings - --json],
                          "MINIO_BROWSER=\"off\"\nMINIO_KMS_API_KEY=\"k1:secret\"\n"]
  end

  it 'is in sync where keyturn has changed nothing' do
    keyturn(0, { event: 'result', changed: false, message: 'already in force' })
    expect(resource(settings: settings).property(:ensure).insync?(:unknown)).to be true
  end

  it 'does nothing under noop' do
    keyturn(0)
    expect(resource(settings: settings, noop: true).property(:ensure).insync?(:unknown)).to be false
    expect(@given).to be_nil
  end

  it 'fails with the reason in one line' do
    keyturn(6, { event: 'message', severity: 'error', message: 'b' }, { event: 'result', changed: false, message: 'a' })
    expect { resource(settings: settings).property(:ensure).insync?(:unknown) }.to raise_error(Puppet::Error, 'a; b')
  end

  it 'refuses a value of two lines, and a name that is none' do
    keyturn(0)
    [{ 'MINIO_BROWSER' => "off\nMINIO_ROOT_USER=x" }, { 'PATH' => 'x' }, { 'MINIO_BROWSER' => false }].each do |wrong|
      expect { resource(settings: wrong).property(:ensure).insync?(:unknown) }.to raise_error(Puppet::Error)
    end
    expect(@given).to be_nil
  end

  it 'refuses to propose nothing, and withdraws without settings' do
    expect { resource }.to raise_error(Puppet::Error, /nothing to propose/)
    keyturn(0, { event: 'result', changed: true, message: 'withdrawn' })
    expect(resource(ensure: :absent).property(:ensure).insync?(:unknown)).to be false
    expect(@given.first).to eq %w[/keyturn propose --withdraw --json]
  end
end
