// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

import java.lang.foreign.MemorySegment;

/// A borrowed view `[rows, columns]`, row-major, of device memory; consecutive rows are `stride`
/// elements apart.
///
/// A vector is a tensor of one row.
public record Tensor(DevicePointer pointer, DType type, int rows, int columns, int stride) {

    public Tensor {
        if (rows < 0 || columns < 0 || stride < columns) {
            throw new IllegalArgumentException(
                    "tensor [%d, %d] with stride %d".formatted(rows, columns, stride));
        }
    }

    /// Returns rows `[from, to)`.
    public Tensor rows(int from, int to) {
        check("rows", from, to, rows);
        if (to - from == rows) {
            return this;
        }
        return new Tensor(
                pointer.plus((long) from * stride * type.bytes()),
                type,
                to - from,
                columns,
                stride);
    }

    /// Returns columns `[from, to)`, with the same stride.
    public Tensor columns(int from, int to) {
        check("columns", from, to, columns);
        if (to - from == columns) {
            return this;
        }
        return new Tensor(pointer.plus((long) from * type.bytes()), type, rows, to - from, stride);
    }

    public boolean isDense() {
        return stride == columns || rows <= 1;
    }

    public long elements() {
        return (long) rows * columns;
    }

    /// Returns the bytes of the elements, without the gaps between rows.
    public long bytes() {
        return elements() * type.bytes();
    }

    /// Returns how many runs of adjoining elements a copy has: one if this tensor is dense.
    public int runs() {
        return isDense() ? 1 : rows;
    }

    public long runBytes() {
        return isDense() ? bytes() : (long) columns * type.bytes();
    }

    public DevicePointer run(int index) {
        return pointer.plus((long) index * stride * type.bytes());
    }

    /// Throws if a dense copy of this tensor does not fit into `host`.
    public void requireRoom(MemorySegment host) {
        if (host.byteSize() < bytes()) {
            throw new IllegalArgumentException(
                    "host segment of %d bytes for a tensor of %d"
                            .formatted(host.byteSize(), bytes()));
        }
    }

    /// Throws unless this tensor has the type and the shape an op needs; `name` is the op's
    /// argument.
    public void require(String name, DType type, int rows, int columns) {
        if (this.type != type || this.rows != rows || this.columns != columns) {
            throw new IllegalArgumentException(
                    "%s is %s [%d, %d], needs %s [%d, %d]"
                            .formatted(
                                    name, this.type, this.rows, this.columns, type, rows, columns));
        }
    }

    private static void check(String what, int from, int to, int limit) {
        if (from < 0 || to < from || to > limit) {
            throw new IllegalArgumentException(
                    "%s [%d, %d) of %d".formatted(what, from, to, limit));
        }
    }
}
