// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

/// Follows a text of bytes through a grammar, without a vocabulary. For one thread at a time.
public final class TextMatcher {
    private final Automaton automaton;
    private Configuration place;

    TextMatcher(Automaton automaton) {
        this.automaton = automaton;
        this.place = automaton.start;
    }

    /// Whether these bytes from the beginning are a whole text of the grammar.
    public boolean matches(byte[] text) {
        reset();
        return accept(text) == text.length && mayEnd();
    }

    /// Goes back to the beginning.
    public void reset() {
        place = automaton.start;
    }

    /// Goes on by these bytes up to the first that is not allowed.
    ///
    /// @return how many were accepted
    public int accept(byte[] bytes) {
        for (int i = 0; i < bytes.length; i++) {
            automaton.budget.beginCall();
            Configuration next = automaton.step(place, bytes[i]);
            if (next.isDead()) {
                return i;
            }
            place = next;
        }
        return bytes.length;
    }

    /// Goes on by a special token. False, and nothing changes, if it is not allowed.
    public boolean acceptSpecial(int id) {
        Configuration next = automaton.special(place, id);
        if (next.isDead()) {
            return false;
        }
        place = next;
        return true;
    }

    /// Whether the text so far matches as a whole.
    public boolean mayEnd() {
        return place.accepting;
    }
}
