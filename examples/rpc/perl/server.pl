#!/usr/bin/perl
# Answers each request with its text in upper case, and an empty one with an error,
# until the queue is removed. Then it prints what it did.
#
#   perl server.pl QUEUE TYPE
#
# QUEUE is the key of the queue, such as 0x2a, TYPE that of the requests. It needs only
# Perl's own modules. Whoever may write to the queue may send anything: nothing of a
# request is trusted.
use strict;
use warnings;
use Errno qw(E2BIG EAGAIN EINTR ENOMSG);
use IPC::Msg;
use IPC::SysV qw(IPC_NOWAIT);
use List::Util qw(sum0);
use Time::HiRes qw(clock_gettime usleep CLOCK_REALTIME);

use constant {REQUEST => 1, REPLY => 2, ERROR => 3, REPLY_TYPE => 1, OWNER_SIZE => 40, BOOTTIME => 7};
use constant {TOO_LARGE => 3, EMPTY => 1024};    # codes of errors; from 1024 up they are our own
use constant MAX_KEPT => 1 << 20;                # bytes of the replies that wait for room

my %did = map { $_ => 0 } my @did = ('handled', 'malformed', 'expired', 'refused', 'replies lost');
my @kept;                                        # [deadline, address, message], the oldest first

# Returns the key in an argument with the sign that C gives it: Perl turns all keys from
# 0x80000000 up into the same key.
sub key_of {
    my $key = $_[0] =~ /^-?0/ ? oct $_[0] : $_[0];
    return unpack 'l', pack 'L', $key & 0xffffffff;
}

sub encode {
    my ($kind, $code, $h, $payload) = @_;
    return pack('a4CCva8a8x16', 'ipcq', 1, $kind, $code, $h->{id}, $h->{token}) . $payload;
}

# Returns a request, or nothing if it is not a request of version 1.
sub decode {
    my ($b) = @_;
    return if length $b < 40;
    my ($magic, $version, $kind, undef, $id, $token, $deadline, $n, $m) = unpack 'a4CCva8a8q<vv', $b;
    my $end = 40 + $n + $m;
    return if $magic ne 'ipcq' || $version != 1 || $kind != REQUEST || $id eq "\0" x 8 || $n > 255 || $m > 1024 || $end > length $b;
    my ($at, %metadata) = 40 + $n;
    while ($at < $end) {
        my $k = ord substr $b, $at, 1;
        return if $k == 0 || $at + 1 + $k + 2 > $end;
        my $key = substr $b, $at + 1, $k;
        my $v = unpack 'v', substr $b, $at + 1 + $k, 2;
        $at += 1 + $k + 2 + $v;
        return if $at > $end || exists $metadata{$key};
        $metadata{$key} = substr $b, $at - $v, $v;
    }
    my $due = $metadata{"\0d"};
    return if defined $due && length $due < 24;
    return {id => $id, token => $token, deadline => $deadline, due => $due, address => substr($b, 40, $n), payload => substr $b, $end};
}

sub contents {
    open my $f, '<', $_[0] or return '';
    local $/;
    return scalar <$f>;
}

# Returns the id of the boot, and what the time namespace adds to the time since then
# in nanoseconds; nothing if that is not known.
sub boot_clock {
    (my $boot = contents('/proc/sys/kernel/random/boot_id')) =~ tr/0-9a-f//cd;
    my ($own, $children) = map { readlink("/proc/self/ns/$_") // '' } 'time', 'time_for_children';
    s/.*:// for $own, $children;
    return if length $boot != 32 || $own ne $children;
    my $offset = contents('/proc/self/timens_offsets') =~ /^boottime\s+(-?\d+)\s+(\d+)/m ? $1 * 1e9 + $2 : 0;
    return (pack('H32', $boot), $offset);
}
my ($boot, $offset) = boot_clock();

# Returns for how many seconds the client still waits, undef without a deadline.
sub seconds_left {
    my ($h) = @_;
    if (defined $boot && defined $h->{due} && substr($h->{due}, 0, 16) eq $boot) {
        return unpack('q<', substr $h->{due}, 16) / 1e9 - clock_gettime(BOOTTIME) + $offset / 1e9;
    }
    return $h->{deadline} ? $h->{deadline} / 1e9 - clock_gettime(CLOCK_REALTIME) : undef;
}

# Returns the id of the inbox at an address, and the maximum size of a reply in it;
# nothing if there is none.
sub open_inbox {
    my ($address) = @_;
    my $id;
    if ($address =~ /\Asysv:(0|[1-9][0-9]{0,9})\z/ && $1 < 2**31) {
        $id = $1;
    } elsif ($address =~ /\Asysvkey:0x([0-9a-f]{8})\z/ && hex $1) {
        $id = msgget key_of("0x$1"), 0;
    }
    return if !defined $id;
    my $stat = (bless \$id, 'IPC::Msg')->stat or return;

    # If other queues were accepted, a client could direct this server to the queue of
    # another program.
    return if ($stat->mode & 0755) != 0611;
    return ($id, $stat->qbytes - OWNER_SIZE);
}

# Sends a reply: 1 if there was room, 0 if not, undef if the client is gone.
sub put {
    my ($inbox, $reply) = @_;
    my $message = pack('l! a*', REPLY_TYPE, $reply);
    my $sent;
    do { $sent = msgsnd $inbox, $message, IPC_NOWAIT } until $sent || $! != EINTR;
    return $sent ? 1 : $! == EAGAIN ? 0 : undef;
}

sub answer {
    my ($h) = @_;
    return encode(ERROR, EMPTY, $h, 'nothing to put in upper case') if $h->{payload} eq '';
    return encode(REPLY, 0, $h, uc $h->{payload});
}

# Handles a message, and keeps a reply without room until its deadline, so that it
# delays no other client.
sub handle {
    my $h = decode($_[0]);
    return $did{malformed}++ if !$h;
    my $left = seconds_left($h);
    return $did{expired}++ if defined $left && $left <= 0;
    my ($inbox, $room) = open_inbox($h->{address});
    return $did{refused}++ if !defined $inbox;
    my $reply = answer($h);
    $did{handled}++;
    $reply = encode(ERROR, TOO_LARGE, $h, 'the reply does not fit into the inbox') if length $reply > $room;
    if (!grep { $_->[1] eq $h->{address} } @kept) {
        my $sent = put($inbox, $reply);
        return $did{'replies lost'}++ if !defined $sent;
        return if $sent;
    }
    return $did{'replies lost'}++ if sum0(map { length $_->[2] } @kept) + length $reply > MAX_KEPT;
    push @kept, [clock_gettime(BOOTTIME) + ($left // 30), $h->{address}, $reply];
    return;
}

# Sends kept replies for which there is room now, and drops those that nobody waits for
# any more.
sub send_kept {
    my (%full, @rest);
    for my $k (@kept) {
        my ($until, $address, $reply) = @$k;
        my $sent = 0;
        if (!$full{$address}) {
            my ($inbox) = open_inbox($address);
            $sent = defined $inbox ? put($inbox, $reply) : undef;
        }
        if (defined $sent && !$sent) {
            $full{$address} = 1;
            if (clock_gettime(BOOTTIME) < $until) {
                push @rest, $k;
                next;
            }
        }
        $did{'replies lost'}++ if !$sent;
    }
    @kept = @rest;
    return;
}

die "usage: $0 QUEUE TYPE\n" if @ARGV != 2;
my ($name, $type) = @ARGV;
my $queue = msgget key_of($name), 0;
die "the queue $name: $!\n" if !defined $queue;
my $size = 8192;    # kernel.msgmax by default
for (;;) {
    send_kept();
    if (msgrcv $queue, my $b, $size, $type, @kept ? IPC_NOWAIT : 0) {
        handle(substr $b, length pack 'l!', 0);
    } elsif ($! == E2BIG) {    # the message stays in the queue
        $size *= 2;
    } elsif ($! == ENOMSG) {
        usleep(5000);          # before the next look at the inboxes that were full
    } elsif ($! != EINTR) {    # the queue is gone
        last;
    }
}
$did{'replies lost'} += @kept;
print join(', ', map { "$_ $did{$_}" } @did), "\n";
