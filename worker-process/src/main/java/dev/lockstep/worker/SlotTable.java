// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// The sequence of each slot. Throws on requests that a correct scheduler never sends.
final class SlotTable {
    private final @Nullable Slot[] slots;

    SlotTable(int count) {
        this.slots = new @Nullable Slot[count];
    }

    Slot at(int index) {
        Slot slot = index < 0 || index >= slots.length ? null : slots[index];
        if (slot == null) {
            throw new IllegalArgumentException("slot %d is empty".formatted(index));
        }
        return slot;
    }

    void put(int index, Slot slot) {
        if (index < 0 || index >= slots.length || slots[index] != null) {
            throw new IllegalArgumentException(
                    "slot %d is taken or not one of %d".formatted(index, slots.length));
        }
        slots[index] = slot;
    }

    /// Empties a slot and returns what was in it.
    Optional<Slot> take(int index) {
        Optional<Slot> taken = Optional.ofNullable(slots[index]);
        slots[index] = null;
        return taken;
    }

    void clear(int index) {
        at(index);
        slots[index] = null;
    }
}
