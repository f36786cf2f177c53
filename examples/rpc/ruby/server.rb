# Answers each request with its text in upper case, and an empty one with an error,
# until the queue is removed or SIGTERM comes. Then it prints what it did.
#
#   ruby server.rb QUEUE TYPE
#
# QUEUE is the key of a System V queue, such as 0x2a, or the name of a POSIX queue,
# such as /jobs. TYPE is that of the requests; POSIX queues have none. Ruby has no binding
# for queues: this calls the C library with Fiddle, which comes with Ruby. Whoever may
# write to the queue may send anything: nothing of a request is trusted.
require 'fiddle'
require 'io/wait'

REQUEST, REPLY, ERROR = 1, 2, 3
REPLY_TYPE = 1
TOO_LARGE, EMPTY = 3, 1024 # codes of errors; from 1024 up they are our own
MAX_KEPT = 1 << 20 # bytes of the replies that wait for room
IPC_NOWAIT = 0o4000
LONG = [0].pack('l!').size

# A function of the C library that returns -1 and sets errno if it fails. Other threads
# and signals of Ruby go on while it waits.
def c_function(name, *types)
  f = Fiddle::Function.new(Fiddle.dlopen(nil)[name], types, Fiddle::TYPE_LONG)
  ->(*args) { (n = [f.call(*args)].pack('q').unpack1('l')) == -1 ? raise(SystemCallError.new(name, Fiddle.last_error)) : n }
end

P, I, L = Fiddle::TYPE_VOIDP, Fiddle::TYPE_INT, Fiddle::TYPE_LONG
MSGGET = c_function('msgget', I, I)
MSGSND = c_function('msgsnd', I, P, L, I)
MSGRCV = c_function('msgrcv', I, P, L, L, I)
OPEN = c_function('mq_open', P, I)
SEND = c_function('mq_send', I, P, L, I)
RECEIVE = c_function('mq_receive', I, P, L, P)
GETATTR = c_function('mq_getattr', I, P)
CLOSE = c_function('mq_close', I)

class Refused < StandardError; end # the address is not that of an inbox
class Gone < StandardError; end # the queue is gone
class Stop < StandardError; end # SIGTERM

def encode(kind, code, id, token, payload)
  ['ipcq', 1, kind, code, id, token].pack('a4CCvQ<Q<x16') + payload.b
end

# Returns a request, or nil if it is not a request of version 1.
def decode(b)
  return if b.bytesize < 40

  magic, version, kind, _, id, token, deadline, n, m = b.unpack('a4CCvQ<Q<q<vv')
  finish = 40 + n + m
  return if magic != 'ipcq' || version != 1 || kind != REQUEST || id.zero? || n > 255 || m > 1024 || finish > b.bytesize

  metadata, at = {}, 40 + n
  while at < finish
    k = b.getbyte(at)
    return if k.zero? || at + 1 + k + 2 > finish

    key, v = b.byteslice(at + 1, k), b.byteslice(at + 1 + k, 2).unpack1('v')
    at += 1 + k + 2 + v
    return if at > finish || metadata.key?(key)

    metadata[key] = b.byteslice(at - v, v)
  end
  field = metadata["\0d".b]
  return if field && field.bytesize < 24

  { id: id, token: token, deadline: deadline, due: field, address: b.byteslice(40, n), payload: b.byteslice(finish..) }
end

# Returns the id of the boot, and what the time namespace adds to the time since then,
# in nanoseconds; nothing if that is not known.
def boot_clock
  boot = [File.read('/proc/sys/kernel/random/boot_id').delete("-\n")].pack('H32')
  inodes = %w[time time_for_children].map { |n| path = "/proc/self/ns/#{n}"; File.exist?(path) ? File.stat(path).ino : 0 }
  return if inodes.uniq.size > 1

  path = '/proc/self/timens_offsets'
  seconds, ns = File.exist?(path) ? File.read(path)[/^boottime\s+(.*)/, 1].split.map(&:to_i) : [0, 0]
  [boot, seconds * 1_000_000_000 + ns]
rescue SystemCallError
  nil
end

def now = Process.clock_gettime(Process::CLOCK_MONOTONIC)

# Returns for how many seconds the client still waits, nil without a deadline.
def seconds_left(request, clock)
  if request[:due] && clock && request[:due].byteslice(0, 16) == clock[0]
    time = Process.clock_gettime(Process::CLOCK_BOOTTIME, :nanosecond) - clock[1]
    return (request[:due].unpack1('@16q<') - time) / 1e9
  end
  (request[:deadline] - Process.clock_gettime(Process::CLOCK_REALTIME, :nanosecond)) / 1e9 unless request[:deadline].zero?
end

class SysV
  def initialize(name, type)
    @queue, @type, @size = MSGGET.call([Integer(name)].pack('q').unpack1('l'), 0), type, 8192 # kernel.msgmax by default
  end

  # Returns a request, or nil if there is none and it should not wait.
  def receive(wait)
    buffer = "\0" * (LONG + @size)
    n = MSGRCV.call(@queue, buffer, @size, @type, wait ? 0 : IPC_NOWAIT)
    buffer.byteslice(LONG, n)
  rescue Errno::ENOMSG, Errno::EINTR
    nil
  rescue Errno::E2BIG # the message stays in the queue
    @size *= 2
    retry
  rescue Errno::EIDRM, Errno::EINVAL
    raise Gone
  end

  # Returns the inbox at an address. If other queues were accepted, a client could
  # direct this server to the queue of another program. /proc shows the modes of all
  # queues to all users.
  def open_inbox(address)
    case address
    when /\Asysv:(0|[1-9]\d{0,9})\z/n then id = $1.to_i
    when /\Asysvkey:0x([0-9a-f]{8})\z/n then key = [$1.hex].pack('L').unpack1('l')
    end
    raise Refused if !id && (key || 0).zero?

    File.foreach('/proc/sysvipc/msg').drop(1).each do |line|
      own_key, own_id, mode = line.split.first(3)
      next unless id ? own_id.to_i == id : own_key.to_i == key
      raise Refused if mode.to_i(8) & 0o755 != 0o611

      return own_id.to_i
    end
    raise Refused
  end

  # The capacity of an inbox is only in a struct that differs between processors: a
  # reply that can never fit is kept like others.
  def room(_) = Float::INFINITY

  # Returns whether there was room.
  def put(inbox, message)
    MSGSND.call(inbox, [REPLY_TYPE].pack('l!') + message, message.bytesize, IPC_NOWAIT)
    true
  rescue Errno::EAGAIN
    false
  rescue Errno::EINTR
    retry
  rescue SystemCallError
    raise Gone
  end

  def close(_) = nil
end

class Posix
  def initialize(name, _)
    @queue = OPEN.call(name, File::RDWR | File::NONBLOCK)
    @size = size(@queue)
    @io = IO.for_fd(@queue, autoclose: false)
  end

  def size(queue)
    GETATTR.call(queue, attributes = "\0" * 64)
    attributes.unpack('l!4')[2]
  end

  # A POSIX queue is a descriptor that Ruby can wait for.
  def receive(wait)
    @io.wait_readable if wait
    buffer = "\0" * @size
    buffer.byteslice(0, RECEIVE.call(@queue, buffer, @size, nil))
  rescue Errno::EAGAIN, Errno::EINTR
    nil
  end

  def open_inbox(address)
    raise Refused unless address =~ %r{\Aposix:(/ipcmq-inbox-[^/\0]+)\z}n

    OPEN.call($1, File::WRONLY | File::NONBLOCK)
  rescue SystemCallError
    raise Refused
  end

  def room(inbox) = size(inbox)

  def put(inbox, message)
    SEND.call(inbox, message, message.bytesize, 0)
    true
  rescue Errno::EAGAIN
    false
  end

  def close(inbox) = CLOSE.call(inbox)
end

class Server
  def initialize(queue)
    @queue, @clock, @kept = queue, boot_clock, [] # of deadline, address, message; the oldest first
    @did = { 'handled' => 0, 'malformed' => 0, 'expired' => 0, 'refused' => 0, 'replies lost' => 0 }
  end

  def answer(request)
    return encode(ERROR, EMPTY, request[:id], request[:token], 'nothing to put in upper case') if request[:payload].empty?

    encode(REPLY, 0, request[:id], request[:token], request[:payload].b.upcase)
  end

  # Handles a message, and keeps a reply without room until its deadline, so that it
  # delays no other client.
  def handle(message)
    request = decode(message) or return @did['malformed'] += 1
    left = seconds_left(request, @clock)
    return @did['expired'] += 1 if left && left <= 0

    inbox = @queue.open_inbox(address = request[:address])
    begin
      reply = answer(request)
      @did['handled'] += 1
      if reply.bytesize > @queue.room(inbox)
        reply = encode(ERROR, TOO_LARGE, request[:id], request[:token], 'the reply does not fit into the inbox')
      end
      return if @kept.none? { |_, a, _| a == address } && @queue.put(inbox, reply)
    ensure
      @queue.close(inbox)
    end
    return @did['replies lost'] += 1 if @kept.sum { |_, _, m| m.bytesize } + reply.bytesize > MAX_KEPT

    @kept << [now + (left || 30), address, reply]
  rescue Refused
    @did['refused'] += 1
  rescue Gone
    @did['replies lost'] += 1
  end

  # Returns whether a kept reply was sent; false if there is no room.
  def resend(address, message)
    inbox = @queue.open_inbox(address)
    @queue.put(inbox, message)
  ensure
    @queue.close(inbox) if inbox
  end

  # Sends kept replies for which there is room now, and drops those that nobody waits
  # for any more.
  def send_kept
    full = []
    @kept = @kept.select do |limit, address, message|
      next false if !full.include?(address) && resend(address, message)

      full << address
      @did['replies lost'] += 1 if now >= limit
      now < limit
    rescue Refused, Gone
      @did['replies lost'] += 1
      false
    end
  end

  def run
    loop do
      send_kept
      message = @queue.receive(@kept.empty?)
      handle(message) if message
      sleep(0.005) if !message && @kept.any? # before the next look at the inboxes that were full
    end
  rescue Gone, Stop
    @did['replies lost'] += @kept.size
    puts @did.map { |what, n| "#{what} #{n}" }.join(', ')
  end
end

abort "usage: ruby #{$PROGRAM_NAME} QUEUE TYPE" if ARGV.size != 2
trap('TERM') { raise Stop }
Server.new((ARGV[0].start_with?('/') ? Posix : SysV).new(ARGV[0], ARGV[1].to_i)).run
