// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

import java.io.ByteArrayOutputStream;

/// Follows one sequence of tokens through a grammar. For one thread at a time.
///
/// Tokens that end a text are not in a grammar: where [#mayEnd] is true, the caller allows them. A
/// call that exceeds a limit of the grammar throws a [GrammarException] and leaves the matcher
/// where it was.
public final class Matcher {
    /// [#forcedBytes] stops here; the rest is found after these.
    private static final int LONGEST_FORCED = 4_096;

    private final TokenMachine machine;
    private TokenMachine.Tables tables;
    private Configuration place;
    private int count;

    /// How many tokens there must be before full tables are left again.
    private int renewAt;

    Matcher(TokenMachine machine) {
        this.machine = machine;
        this.tables = machine.tables();
        this.place = tables.automaton.start;
    }

    private Matcher(Matcher other) {
        this.machine = other.machine;
        this.tables = other.tables;
        this.place = other.place;
        this.count = other.count;
        this.renewAt = other.renewAt;
    }

    /// A matcher that goes on from here on its own.
    public Matcher copy() {
        return new Matcher(this);
    }

    /// Goes on by a token. False, and nothing changes, if the grammar does not allow it.
    public boolean accept(int id) {
        if (count >= renewAt && isFull()) {
            renew();
        }
        Configuration next;
        TokenMachine.Tables current = tables;
        synchronized (current) {
            tables.automaton.budget.beginCall();
            next = after(place, id);
            if (next.isDead()) {
                return false;
            }
        }
        place = next;
        count++;
        return true;
    }

    /// Goes on by these tokens up to the first that is not allowed.
    ///
    /// @return how many were accepted
    public int acceptAll(int... ids) {
        for (int i = 0; i < ids.length; i++) {
            if (!accept(ids[i])) {
                return i;
            }
        }
        return ids.length;
    }

    /// Sets exactly the bits of the tokens that are allowed next: bit `id % 64` of the word `id /
    /// 64`. Words behind those of the vocabulary stay as they are.
    public void mask(long[] mask) {
        TokenMachine.Tables current = tables;
        synchronized (current) {
            tables.automaton.budget.beginCall();
            tables.masks.of(place).copyTo(mask);
        }
    }

    /// Whether the text so far matches as a whole.
    public boolean mayEnd() {
        return place.accepting;
    }

    /// Whether the text matches and nothing can follow it.
    public boolean complete() {
        if (!place.accepting || place.specials.length > 0) {
            return false;
        }
        TokenMachine.Tables current = tables;
        synchronized (current) {
            tables.automaton.budget.beginCall();
            return !tables.automaton.anyByte(place);
        }
    }

    /// The bytes that must come next, as far as there is one way on: none where the text may end or
    /// a special token may come.
    public byte[] forcedBytes() {
        var forced = new ByteArrayOutputStream();
        TokenMachine.Tables current = tables;
        synchronized (current) {
            tables.automaton.budget.beginCall();
            Configuration at = place;
            int only = tables.automaton.onlyByte(at);
            while (only >= 0 && forced.size() < LONGEST_FORCED) {
                forced.write(only);
                at = tables.automaton.step(at, only);
                only = tables.automaton.onlyByte(at);
            }
        }
        return forced.toByteArray();
    }

    private Configuration after(Configuration from, int id) {
        Automaton automaton = tables.automaton;
        if (machine.trie().isSpecial(id)) {
            return automaton.special(from, id);
        }
        byte[] bytes = machine.trie().textOf(id);
        if (bytes == null) {
            return automaton.dead;
        }
        Configuration at = from;
        for (byte each : bytes) {
            at = automaton.step(at, each);
            if (at.isDead()) {
                break;
            }
        }
        return at;
    }

    private boolean isFull() {
        TokenMachine.Tables current = tables;
        synchronized (current) {
            return tables.isFull();
        }
    }

    /// Moves to tables with less in them.
    private void renew() {
        TokenMachine.Tables fresh = machine.tablesAfter(tables);
        synchronized (fresh) {
            fresh.automaton.budget.beginCall();
            place = new Move(fresh.automaton).of(place);
        }
        tables = fresh;
        renewAt = isFull() ? 2 * count : 0;
    }
}
