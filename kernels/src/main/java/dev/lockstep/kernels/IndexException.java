// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

/// The refusal of an index out of range that an op read from device memory. The op throws it, or
/// the next wait if the device found the index; nothing outside the op's tensors was written, and
/// what it wrote inside has no meaning.
public final class IndexException extends IllegalArgumentException {
    private static final long serialVersionUID = 1L;

    private final CheckedIndex checked;
    private final long index;
    private final long value;
    private final long limit;

    /// @param index where the value stands in its tensor, counted row after row
    /// @param limit the lowest value above the range; 0 if the device has no sequence in a slot
    ///   that exists
    public IndexException(CheckedIndex checked, long index, long value, long limit) {
        super(
                "%s: %s %d at index %d, %s"
                        .formatted(
                                checked.op(),
                                checked.noun(),
                                value,
                                index,
                                limit == 0
                                        ? "which is empty"
                                        : "must be %d to %d"
                                                .formatted(checked.first(), limit - 1)));
        this.checked = checked;
        this.index = index;
        this.value = value;
        this.limit = limit;
    }

    public CheckedIndex checked() {
        return checked;
    }

    public long index() {
        return index;
    }

    public long value() {
        return value;
    }

    public long limit() {
        return limit;
    }
}
