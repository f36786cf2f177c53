# Sends each text as a request, one after the other, and prints the replies.
#
#   ruby client.rb QUEUE TYPE MILLISECONDS TEXT...
#
# QUEUE is the key of a System V queue, such as 0x2a, or the name of a POSIX queue,
# such as /jobs. TYPE is the type that the server handles; POSIX queues have none. The
# status is 0 if there was a reply to each request, 1 if an error came or none before
# the deadline. Ruby has no binding for queues: this calls the C library with Fiddle,
# which comes with Ruby. PROTOCOL.md of package ipcmq/mux/rpc specifies the protocol.
require 'fiddle'
require 'securerandom'

REQUEST, REPLY, ERROR, OWNER = 1, 2, 3, 6
REPLY_TYPE, OWNER_TYPE = 1, 2
LARGEST = 65_536 # bytes of a message here
IPC_CREAT, IPC_EXCL, IPC_NOWAIT = 0o1000, 0o2000, 0o4000
LONG = [0].pack('l!').size

# A function of the C library that returns -1 and sets errno if it fails.
def c_function(name, *types)
  f = Fiddle::Function.new(Fiddle.dlopen(nil)[name], types, Fiddle::TYPE_LONG)
  ->(*args) { (n = [f.call(*args)].pack('q').unpack1('l')) == -1 ? raise(SystemCallError.new(name, Fiddle.last_error)) : n }
end

P, I, L = Fiddle::TYPE_VOIDP, Fiddle::TYPE_INT, Fiddle::TYPE_LONG
MSGGET = c_function('msgget', I, I)
MSGSND = c_function('msgsnd', I, P, L, I)
MSGRCV = c_function('msgrcv', I, P, L, L, I)
MSGCTL = c_function('msgctl', I, I, P)

# Returns the key in an argument, with the sign that C gives it.
def key_of(text) = [Integer(text)].pack('q').unpack1('l')

def encode(id, token, deadline, address, metadata, payload)
  ['ipcq', 1, REQUEST, 0, id, token, deadline, address.bytesize, metadata.bytesize, 0].pack('a4CCvQ<Q<q<vvV') + address.b + metadata + payload.b
end

# Returns kind, code, id, token and payload of a message, or nil if it is not a message
# of version 1.
def decode(b)
  return if b.bytesize < 40

  magic, version, kind, code, id, token, _, n, m = b.unpack('a4CCvQ<Q<q<vv')
  finish = 40 + n + m
  return if magic != 'ipcq' || version != 1 || !kind.between?(REQUEST, ERROR) || n > 255 || m > 1024 || finish > b.bytesize

  at = 40 + n
  while at < finish # the metadata, which is skipped here
    k = b.getbyte(at)
    return if k.zero? || at + 1 + k + 2 > finish

    at += 1 + k + 2 + b.byteslice(at + 1 + k, 2).unpack1('v')
  end
  [kind, code, id, token, b.byteslice(finish..)] if at == finish
end

# Returns the number of a namespace of this process, 0 if it is not known.
def namespace(name)
  File.readlink("/proc/self/ns/#{name}")[/\d+/].to_i
rescue SystemCallError
  0
end

# Returns the field for a deadline this many nanoseconds from now, by the time since boot,
# nothing if that is not known.
def due(left)
  boot = File.read('/proc/sys/kernel/random/boot_id').delete("-\n")
  return '' if namespace('time') != namespace('time_for_children')

  path = '/proc/self/timens_offsets'
  offset = File.exist?(path) ? File.read(path)[/^boottime\s+(.*)/, 1].split.map(&:to_i) : [0, 0]
  now = Process.clock_gettime(Process::CLOCK_BOOTTIME, :nanosecond) - offset[0] * 1_000_000_000 - offset[1]
  [2, "\0d", 24, boot, now + left].pack('Ca2vH32q<')
rescue SystemCallError
  ''
end

# Returns pid, start, pid namespace and time namespace of this process, zeros if they
# are not known.
def owner
  start = File.read('/proc/self/stat').rpartition(')').last.split[19].to_i
  [Process.pid, start, namespace('pid'), namespace('time')]
rescue SystemCallError
  [0, 0, 0, 0]
end

# A System V queue, and an inbox with a key, which servers in every language can open.
# Its mode is that of an inbox from the beginning: the struct of IPC_SET differs between
# processors.
class SysV
  attr_reader :address

  def initialize(name, type)
    @queue, @type = MSGGET.call(key_of(name), 0), type
    begin
      key = SecureRandom.random_number(2**31 - 1) + 1
      @inbox = MSGGET.call(key, IPC_CREAT | IPC_EXCL | 0o611)
    rescue Errno::EEXIST
      retry # another queue has this key
    end
    put(@inbox, OWNER_TYPE, ['ipcq', 1, OWNER, 0, *owner].pack('a4CCvQ<4'))
    @address = format('sysvkey:0x%08x', key)
  end

  def put(queue, type, data) = MSGSND.call(queue, [type].pack('l!') + data, data.bytesize, IPC_NOWAIT)

  # These return nil instead of waiting.
  def send(message)
    put(@queue, @type, message)
  rescue Errno::EAGAIN
    nil
  end

  def receive
    buffer = "\0" * (LONG + LARGEST)
    n = MSGRCV.call(@inbox, buffer, LARGEST, REPLY_TYPE, IPC_NOWAIT)
    buffer.byteslice(LONG, n)
  rescue Errno::ENOMSG
    nil
  end

  def remove = MSGCTL.call(@inbox, 0, nil)
end

# A POSIX queue, and an inbox whose name identifies its owner.
class Posix
  attr_reader :address

  O_RDWR, O_WRONLY, O_CREAT, O_EXCL, O_NONBLOCK = File::RDWR, File::WRONLY, File::CREAT, File::EXCL, File::NONBLOCK
  OPEN = c_function('mq_open', P, I, Fiddle::TYPE_VARIADIC)
  SEND = c_function('mq_send', I, P, L, I)
  RECEIVE = c_function('mq_receive', I, P, L, P)
  UNLINK = c_function('mq_unlink', P)

  def initialize(name, _)
    @queue = OPEN.call(name, O_WRONLY | O_NONBLOCK)
    pid, start, pid_ns, time_ns = owner
    @name = "/ipcmq-inbox-#{pid_ns}-#{time_ns}-#{pid}-#{start}-#{SecureRandom.hex(16)}"
    attributes = [0, 8, 8192, 0, 0, 0, 0, 0].pack('l!8') # 8 messages of 8192 bytes
    @inbox = OPEN.call(@name, O_RDWR | O_CREAT | O_EXCL | O_NONBLOCK, I, 0o600, P, attributes)
    @address = "posix:#{@name}"
  end

  def send(message)
    SEND.call(@queue, message, message.bytesize, 0)
  rescue Errno::EAGAIN
    nil
  end

  def receive
    buffer = "\0" * 8192
    buffer.byteslice(0, RECEIVE.call(@inbox, buffer, buffer.bytesize, nil))
  rescue Errno::EAGAIN
    nil
  end

  def remove = UNLINK.call(@name)
end

def now = Process.clock_gettime(Process::CLOCK_MONOTONIC)

# Repeats a block until it returns something or the time is over: Ruby's threads cannot
# wait for a queue with a timeout.
def await(limit)
  pause = 0.0001
  loop do
    got = yield
    return got if got || now >= limit

    sleep(pause)
    pause = [2 * pause, 0.005].min
  end
end

# Returns whether a reply arrived that is not an error; prints what arrived.
def request(queue, token, id, milliseconds, text)
  limit = now + milliseconds / 1000.0
  left = milliseconds * 1_000_000
  deadline = Process.clock_gettime(Process::CLOCK_REALTIME, :nanosecond) + left
  message = encode(id, token, deadline, queue.address, due(left), text)
  sent = await(limit) { queue.send(message) }
  while sent && (got = await(limit) { queue.receive })
    kind, code, for_id, to, payload = decode(got)
    # Late replies, and messages of someone who guesses, are not for us.
    next if !kind || kind == REQUEST || for_id != id || to != token

    $stdout.write(kind == ERROR ? "error #{code}: " : '', payload, "\n")
    return kind == REPLY
  end
  puts 'no reply in time'
  false
end

abort "usage: ruby #{$PROGRAM_NAME} QUEUE TYPE MILLISECONDS TEXT..." if ARGV.size < 3
name, type, milliseconds, *texts = ARGV
%w[TERM INT].each { |signal| trap(signal) { exit 143 } }
queue = (name.start_with?('/') ? Posix : SysV).new(name, type.to_i)
at_exit { queue.remove }
token = SecureRandom.random_number(2**64)
answers = texts.each_with_index.map { |text, i| request(queue, token, i + 1, milliseconds.to_i, text) }
exit answers.all?
