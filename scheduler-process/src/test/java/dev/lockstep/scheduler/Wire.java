// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import java.util.Random;

/// A stream between two processes. Messages of one direction arrive in order; the end of a stream
/// arrives after them, or destroys those on their way. A bad wire delivers some messages twice.
final class Wire {
    private final VirtualTime time;
    private final Random random;
    private final End client;
    private final End server;
    private final boolean bad;
    private boolean broken;
    private long repeated;

    private static final class End {
        final SimulatedProcess process;
        Runnable ended = () -> {};
        long last;
        boolean told;

        End(SimulatedProcess process) {
            this.process = process;
        }
    }

    Wire(
            VirtualTime time,
            Random random,
            SimulatedProcess client,
            SimulatedProcess server,
            boolean bad) {
        this.time = time;
        this.random = random;
        this.client = new End(client);
        this.server = new End(server);
        this.bad = bad;
        client.add(this);
        server.add(this);
    }

    /// Sets what the client does when the stream ends, and what the server does.
    void onEnd(Runnable ofClient, Runnable ofServer) {
        client.ended = ofClient;
        server.ended = ofServer;
    }

    void toServer(Runnable handler) {
        send(server, 0, handler);
    }

    void toClient(Runnable handler) {
        send(client, 0, handler);
    }

    /// Sends what takes some time to compute first.
    void toClient(long computeNanos, Runnable handler) {
        send(client, computeNanos, handler);
    }

    private void send(End to, long computeNanos, Runnable handler) {
        to.last = Math.max(to.last, time.nanos()) + computeNanos + time.between(0, 3);
        time.at(to.last, () -> deliver(to, handler));
        if (bad && random.nextInt(6) == 0) {
            repeated++;
            to.last += time.between(0, 20);
            time.at(to.last, () -> deliver(to, handler));
        }
    }

    private void deliver(End to, Runnable handler) {
        if (!broken && !to.told) {
            to.process.receive(handler);
        }
    }

    /// Delays everything that the client is still to receive.
    void stall(long nanos) {
        client.last = Math.max(client.last, time.nanos()) + nanos;
    }

    /// Breaks the stream: what is on its way is lost, and each end notices in its own time.
    void cut() {
        broken = true;
        tell(client, time.between(0, random.nextInt(3) == 0 ? 5000 : 50));
        tell(server, time.between(0, random.nextInt(3) == 0 ? 5000 : 50));
    }

    /// Ends the stream at one end; the other one learns it, behind what is on its way or at once.
    void close(SimulatedProcess by) {
        End other = by.equals(client.process) ? server : client;
        End own = by.equals(client.process) ? client : server;
        own.told = true;
        by.remove(this);
        if (random.nextBoolean()) {
            broken = true;
            tell(other, time.between(0, 5));
        } else {
            tell(other, Math.max(0, other.last - time.nanos()) + time.between(0, 5));
        }
    }

    private void tell(End end, long nanos) {
        time.after(
                nanos,
                () ->
                        end.process.receive(
                                () -> {
                                    if (!end.told) {
                                        end.told = true;
                                        end.process.remove(this);
                                        end.ended.run();
                                    }
                                }));
    }

    /// How many messages it delivered twice.
    long repeated() {
        return repeated;
    }

    SimulatedProcess client() {
        return client.process;
    }

    SimulatedProcess server() {
        return server.process;
    }
}
