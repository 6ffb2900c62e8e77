// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

/// Consecutive heads, columns or rows `[from, to)`; may be empty.
public record Span(int from, int to) {
    public Span {
        if (from < 0 || to < from) {
            throw new IllegalArgumentException("span [%d, %d)".formatted(from, to));
        }
    }

    public int size() {
        return to - from;
    }

    /// Returns this span counted in pieces of `unit`, such as the rows of heads.
    public Span times(int unit) {
        return new Span(from * unit, to * unit);
    }

    /// Returns this span moved by `offset`.
    public Span plus(int offset) {
        return new Span(from + offset, to + offset);
    }

    /// Returns all numbers of the span, ascending.
    public int[] numbers() {
        int[] numbers = new int[size()];
        for (int i = 0; i < numbers.length; i++) {
            numbers[i] = from + i;
        }
        return numbers;
    }
}
