#!/usr/bin/perl
# Sends each text as a request, one after the other, and prints the replies.
#
#   perl client.pl QUEUE TYPE MILLISECONDS TEXT...
#
# QUEUE is the key of the queue, such as 0x2a, TYPE the type that the server
# handles. The status is 0 if there was a reply to each request, 1 if an error came
# or none before the deadline. It needs only Perl's own modules. PROTOCOL.md of package
# ipcmq/mux/rpc specifies the protocol.
use strict;
use warnings;
use Errno qw(EEXIST EINTR);
use IPC::Msg;
use IPC::SysV qw(IPC_CREAT IPC_EXCL);
use Time::HiRes qw(clock_gettime setitimer CLOCK_REALTIME ITIMER_REAL);

use constant {REQUEST => 1, REPLY => 2, ERROR => 3, OWNER => 6};
use constant {REPLY_TYPE => 1, OWNER_TYPE => 2, LARGEST => 65536, BOOTTIME => 7};
use constant TICK => 0.01;    # seconds after which a waiting call checks the time

# Returns the key in an argument with the sign that C gives it: Perl turns all keys from
# 0x80000000 up into the same key.
sub key_of {
    my $key = $_[0] =~ /^-?0/ ? oct $_[0] : $_[0];
    return unpack 'l', pack 'L', $key & 0xffffffff;
}

sub encode {
    my ($id, $token, $deadline, $address, $metadata, $payload) = @_;
    return pack('a4CCvQ<a8q<vvV', 'ipcq', 1, REQUEST, 0, $id, $token, $deadline, length $address, length $metadata, 0)
        . $address . $metadata . $payload;
}

# Returns kind, code, id, token and payload of a message, or nothing if it is not a
# message of version 1.
sub decode {
    my ($b) = @_;
    return if length $b < 40;
    my ($magic, $version, $kind, $code, $id, $token, undef, $n, $m) = unpack 'a4CCvQ<a8q<vv', $b;
    my $end = 40 + $n + $m;
    return if $magic ne 'ipcq' || $version != 1 || $kind < REQUEST || $kind > ERROR || $n > 255 || $m > 1024 || $end > length $b;
    my $at = 40 + $n;
    while ($at < $end) {    # the metadata, which is skipped here
        my $k = ord substr $b, $at, 1;
        return if $k == 0 || $at + 1 + $k + 2 > $end;
        $at += 1 + $k + 2 + unpack 'v', substr $b, $at + 1 + $k, 2;
    }
    return if $at != $end;
    return ($kind, $code, $id, $token, substr $b, $end);
}

sub contents {
    open my $f, '<', $_[0] or return '';
    local $/;
    return scalar <$f>;
}

# Returns the number of a namespace of this process, 0 if it is not known.
sub namespace {
    return (readlink("/proc/self/ns/$_[0]") // '') =~ /(\d+)/ ? $1 : 0;
}

# Returns the field for a deadline this many nanoseconds from now, by the time since boot,
# nothing if that is not known.
sub due {
    my ($left) = @_;
    (my $boot = contents('/proc/sys/kernel/random/boot_id')) =~ tr/0-9a-f//cd;
    return '' if length $boot != 32 || namespace('time') != namespace('time_for_children');
    my $offset = contents('/proc/self/timens_offsets') =~ /^boottime\s+(-?\d+)\s+(\d+)/m ? $1 * 1_000_000_000 + $2 : 0;
    my $now = int(clock_gettime(BOOTTIME) * 1e9) - $offset;
    return "\x02\x00d\x18\x00" . pack('H32', $boot) . pack 'q<', $now + $left;
}

# Returns the record of the owner: zeros if it is not known.
sub owner {
    my $stat = contents('/proc/self/stat');
    my @fields = split ' ', substr $stat, rindex($stat, ')') + 1;
    my @record = $stat eq '' ? (0, 0, 0, 0) : ($$, $fields[19], namespace('pid'), namespace('time'));
    return pack 'a4CCvQ<4', 'ipcq', 1, OWNER, 0, @record;
}

# Creates an inbox with a key, which servers in every language can open.
sub make_inbox {
    my ($inbox, $key);
    open my $random, '<:raw', '/dev/urandom' or die "/dev/urandom: $!\n";
    read $random, my $token, 8;
    do {
        read $random, my $bytes, 4;
        $key = unpack('L', $bytes) & 0x7fffffff;
        $inbox = $key && IPC::Msg->new($key, IPC_CREAT | IPC_EXCL | 0600);
        die "msgget: $!\n" if $key && !$inbox && $! != EEXIST;
    } until $inbox;
    $inbox->snd(OWNER_TYPE, owner()) && $inbox->set(mode => 0611)    # the record is first: now others may send
        or die "the new inbox: $!\n";
    return ($inbox, sprintf('sysvkey:0x%08x', $key), $token);
}

# Repeats a call until it succeeds, or the time is over.
sub await {
    my ($until, $what, $call) = @_;
    setitimer(ITIMER_REAL, TICK, TICK);
    until ($call->()) {
        die "$what: $!\n" if $! != EINTR;
        return 0 if clock_gettime(BOOTTIME) >= $until;
    }
    return 1;
}

# Returns whether a reply arrived that is not an error; prints what arrived.
sub request {
    my ($queue, $type, $inbox, $address, $token, $id, $milliseconds, $text) = @_;
    my $until = clock_gettime(BOOTTIME) + $milliseconds / 1000;
    my $left = $milliseconds * 1_000_000;
    my $deadline = int(clock_gettime(CLOCK_REALTIME) * 1e9) + $left;
    my $message = pack('l!', $type) . encode($id, $token, $deadline, $address, due($left), $text);
    my $there = await($until, 'msgsnd', sub { msgsnd $queue, $message, 0 });
    while ($there) {
        my $b;
        $there = await($until, 'msgrcv', sub { msgrcv $inbox->id, $b, LARGEST, REPLY_TYPE, 0 }) or last;
        my ($kind, $code, $for, $to, $payload) = decode(substr $b, length pack 'l!', 0);

        # Late replies, and messages of someone who guesses, are not for us.
        next if !$kind || $kind == REQUEST || $for != $id || $to ne $token;
        print $kind == ERROR ? "error $code: " : '', $payload, "\n";
        return $kind == REPLY;
    }
    print "no reply in time\n";
    return 0;
}

die "usage: $0 QUEUE TYPE MILLISECONDS TEXT...\n" if @ARGV < 3;
my ($name, $type, $milliseconds, @texts) = @ARGV;
my $queue = msgget key_of($name), 0;
die "the queue $name: $!\n" if !defined $queue;
$SIG{ALRM} = sub { };    # it interrupts a waiting call
$SIG{TERM} = $SIG{INT} = sub { exit 143 };
my ($inbox, $address, $token) = make_inbox();
END {
    local $?;
    setitimer(ITIMER_REAL, 0);    # Perl takes its handlers down first, and would be killed
    $inbox->remove if $inbox;
}
my ($status, $id) = (0, 0);
for my $text (@texts) {
    $status = 1 if !request($queue, $type, $inbox, $address, $token, ++$id, $milliseconds, $text);
}
exit $status;
