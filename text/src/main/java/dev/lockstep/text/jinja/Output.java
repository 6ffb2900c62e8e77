// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

/// A text buffer, charged to the budget as it grows.
final class Output {
    private final Budget budget;
    private final StringBuilder text = new StringBuilder();

    Output(Budget budget) {
        this.budget = budget;
    }

    Output append(String part) {
        requireRoom(part.length());
        budget.text(part.length());
        text.append(part);
        return this;
    }

    Output append(char part) {
        requireRoom(1);
        text.append(part);
        return this;
    }

    Output repeat(String part, long count) {
        requireRoom(part.length() * Math.max(0, count));
        budget.text(part.length() * Math.max(0, count));
        text.repeat(part, (int) Math.max(0, count));
        return this;
    }

    private void requireRoom(long more) {
        budget.requireLength(text.length() + more);
    }

    int length() {
        return text.length();
    }

    @Override
    public String toString() {
        return text.toString();
    }
}
