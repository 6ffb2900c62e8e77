// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator.journal;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Objects;
import java.util.TreeMap;
import java.util.concurrent.Semaphore;

/// Files in memory, on a disk that can be full, fail to force, and be slow.
final class MemoryDisk implements JournalDisk {
    /// Has a permit while the disk may finish a `force`.
    final Semaphore forces = new Semaphore(Integer.MAX_VALUE);

    // Guarded by this.
    private final TreeMap<String, ByteArrayOutputStream> files = new TreeMap<>();
    private long room = Long.MAX_VALUE;
    private boolean forceFails;
    private boolean deleteFails;
    private int created;
    private int forced;

    synchronized void room(long bytes) {
        room = bytes;
    }

    synchronized void failForce(boolean fails) {
        forceFails = fails;
    }

    synchronized void failDelete(boolean fails) {
        deleteFails = fails;
    }

    /// Returns how many files were created.
    synchronized int created() {
        return created;
    }

    /// Returns how often a file was forced.
    synchronized int forced() {
        return forced;
    }

    /// Returns all bytes of the only file.
    synchronized byte[] only() {
        if (files.size() != 1) {
            throw new IllegalStateException(files.keySet().toString());
        }
        return file(files.firstKey()).toByteArray();
    }

    /// Returns a disk with one file.
    static MemoryDisk with(String name, byte[] bytes) {
        var disk = new MemoryDisk();
        disk.put(name, bytes);
        return disk;
    }

    private synchronized void put(String name, byte[] bytes) {
        var file = new ByteArrayOutputStream();
        file.writeBytes(bytes);
        files.put(name, file);
    }

    private ByteArrayOutputStream file(String name) {
        return Objects.requireNonNull(files.get(name), name);
    }

    /// Returns a disk with what is on this one.
    synchronized MemoryDisk copy() {
        var copy = new MemoryDisk();
        files.forEach((name, bytes) -> copy.put(name, bytes.toByteArray()));
        return copy;
    }

    synchronized boolean has(String text) {
        return files.values().stream()
                .anyMatch(bytes -> bytes.toString(StandardCharsets.ISO_8859_1).contains(text));
    }

    @Override
    public synchronized List<String> names() {
        return List.copyOf(files.keySet());
    }

    @Override
    public synchronized ByteBuffer read(String name) throws IOException {
        return ByteBuffer.wrap(file(name).toByteArray());
    }

    @Override
    public synchronized Appender create(String name) throws IOException {
        var bytes = new ByteArrayOutputStream();
        files.put(name, bytes);
        created++;
        return new Appender() {
            @Override
            public void append(ByteBuffer more) throws IOException {
                write(bytes, more);
            }

            @Override
            public void force() throws IOException {
                forces.acquireUninterruptibly();
                forces.release();
                counted();
            }

            @Override
            public void close() {}
        };
    }

    private synchronized void write(ByteArrayOutputStream to, ByteBuffer more) throws IOException {
        while (more.hasRemaining() && room > 0) {
            to.write(more.get());
            room--;
        }
        if (more.hasRemaining()) {
            throw new IOException("No space left on device");
        }
    }

    private synchronized void counted() throws IOException {
        if (forceFails) {
            throw new IOException("Input/output error");
        }
        forced++;
    }

    @Override
    public synchronized void rename(String from, String to) {
        files.put(to, file(from));
        files.remove(from);
    }

    @Override
    public synchronized void delete(String name) throws IOException {
        if (deleteFails) {
            throw new IOException("Operation not permitted");
        }
        files.remove(name);
    }
}
