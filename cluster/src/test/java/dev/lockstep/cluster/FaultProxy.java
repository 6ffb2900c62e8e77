// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketException;
import java.time.Duration;
import java.util.EnumSet;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.LockSupport;

/// A TCP proxy between processes that fails as a network does: it cuts one direction or both,
/// delays, and breaks connections. The test closes it.
///
/// A cut keeps the bytes that arrive, and the ends of connections too, until it heals, as TCP does;
/// while both directions are cut, new connections are accepted by a silent peer.
public final class FaultProxy implements AutoCloseable {
    /// The way that bytes take.
    public enum Direction {
        TO_SERVER,
        TO_CLIENT
    }

    private static final int BUFFER_BYTES = 1 << 16;

    private final InetSocketAddress server;
    private final ServerSocket listener;
    private final Set<Socket> sockets = ConcurrentHashMap.newKeySet();

    // Guarded by this.
    private final Set<Direction> cut = EnumSet.noneOf(Direction.class);
    private Duration delay = Duration.ZERO;
    private boolean breaking;
    private int broken;

    /// Starts to listen on a free port of the loopback interface.
    ///
    /// @param port of the server on this host
    public FaultProxy(int port) throws IOException {
        server = new InetSocketAddress(InetAddress.getLoopbackAddress(), port);
        listener = new ServerSocket(0, 128, InetAddress.getLoopbackAddress());
        Thread.ofVirtual().name("proxy-" + port).start(this::accept);
    }

    public int port() {
        return listener.getLocalPort();
    }

    /// Lets no byte through in the directions; the others are as before.
    public synchronized void cut(Direction... directions) {
        cut.addAll(Set.of(directions));
    }

    /// Lets everything through again, first what was kept.
    public synchronized void heal() {
        cut.clear();
        delay = Duration.ZERO;
        breaking = false;
        notifyAll();
    }

    /// Delays every byte in each direction, by this or up to twice as long.
    public synchronized void delay(Duration time) {
        delay = time;
    }

    /// Breaks every connection.
    public void reset() {
        sockets.forEach(this::reset);
    }

    private void reset(Socket socket) {
        try {
            // Both ends see a reset, not an end.
            socket.setSoLinger(true, 0);
        } catch (SocketException e) {
            // It has ended already.
        }
        close(socket);
    }

    /// Breaks every new connection just after the server's first answer, each a little later than
    /// the one before, until it heals.
    public synchronized void breakAfterFirstAnswers() {
        breaking = true;
    }

    /// Returns how many connections were broken after their first answer.
    public synchronized int broken() {
        return broken;
    }

    private void breakIfWanted(Socket client, Socket upstream) {
        long pause;
        synchronized (this) {
            if (!breaking) {
                return;
            }
            pause = broken++ % 16 * 20_000L;
        }
        // The client has read the answer, and not written again.
        LockSupport.parkNanos(pause);
        reset(client);
        reset(upstream);
    }

    private void accept() {
        try {
            while (true) {
                Socket client = listener.accept();
                Thread.ofVirtual().start(() -> connect(client));
            }
        } catch (IOException e) {
            // The proxy is closed.
        }
    }

    private void connect(Socket client) {
        var upstream = new Socket();
        sockets.add(client);
        sockets.add(upstream);
        try {
            client.setTcpNoDelay(true);
            upstream.setTcpNoDelay(true);
            upstream.connect(server);
            Thread.ofVirtual().start(() -> pump(upstream, client, Direction.TO_CLIENT));
            pump(client, upstream, Direction.TO_SERVER);
        } catch (IOException e) {
            close(client);
            close(upstream);
        }
    }

    private void pump(Socket from, Socket to, Direction direction) {
        try {
            InputStream in = from.getInputStream();
            OutputStream out = to.getOutputStream();
            var buffer = new byte[BUFFER_BYTES];
            boolean first = direction == Direction.TO_CLIENT;
            for (int count = read(in, buffer); count >= 0; count = read(in, buffer)) {
                pass(direction);
                out.write(buffer, 0, count);
                if (first) {
                    breakIfWanted(to, from);
                    first = false;
                }
            }
            pass(direction);
        } catch (IOException e) {
            // The receiver is gone.
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        close(from);
        close(to);
    }

    /// Returns the number of bytes read, or -1 at the end, however it ends.
    private static int read(InputStream in, byte[] buffer) {
        try {
            return in.read(buffer);
        } catch (IOException e) {
            return -1;
        }
    }

    /// Waits until bytes may pass.
    private synchronized void pass(Direction direction) throws InterruptedException {
        long from = System.nanoTime();
        while (cut.contains(direction) || System.nanoTime() - from < delay.toNanos()) {
            long left = delay.toNanos() - (System.nanoTime() - from);
            wait(cut.contains(direction) || left <= 0 ? 1000 : left / 1_000_000 + 1);
            if (listener.isClosed()) {
                return;
            }
        }
    }

    private void close(Socket socket) {
        sockets.remove(socket);
        try {
            socket.close();
        } catch (IOException e) {
            // It is gone either way.
        }
    }

    @Override
    public void close() {
        try {
            listener.close();
        } catch (IOException e) {
            // Nobody connects any more.
        }
        reset();
        synchronized (this) {
            notifyAll();
        }
    }
}
