// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

import java.util.concurrent.atomic.AtomicBoolean;

/// A range of device memory, zeroed and 64-byte aligned; the code that allocated it closes it.
public final class DeviceBuffer implements AutoCloseable {
    private final DevicePointer pointer;
    private final long bytes;
    private final Runnable free;
    private final AtomicBoolean closed = new AtomicBoolean();

    /// Creates a buffer; `free` runs once, at [#close].
    public DeviceBuffer(DevicePointer pointer, long bytes, Runnable free) {
        this.pointer = pointer;
        this.bytes = bytes;
        this.free = free;
    }

    public DevicePointer pointer() {
        return pointer;
    }

    public long bytes() {
        return bytes;
    }

    /// Returns a dense view `[rows, columns]` that begins `offset` bytes into this buffer.
    public Tensor tensor(long offset, DType type, int rows, int columns) {
        long end = offset + (long) rows * columns * type.bytes();
        if (offset < 0 || end > bytes) {
            throw new IllegalArgumentException(
                    "a %s tensor [%d, %d] at byte %d ends at %d of a buffer of %d bytes"
                            .formatted(type, rows, columns, offset, end, bytes));
        }
        return new Tensor(pointer.plus(offset), type, rows, columns, columns);
    }

    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) {
            free.run();
        }
    }
}
