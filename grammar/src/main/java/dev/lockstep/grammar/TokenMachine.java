// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

/// A grammar over a vocabulary. Thread-safe: its matchers may run on different threads, and what
/// one of them derives serves the others.
public final class TokenMachine {
    /// An automaton and its masks; its monitor guards both.
    static final class Tables {
        final Automaton automaton;
        final TokenMasks masks;

        Tables(NormalGrammar grammar, TokenTrie trie) {
            automaton = new Automaton(grammar);
            masks = new TokenMasks(automaton, trie);
        }

        /// Whether so much was derived that it is better to begin anew.
        boolean isFull() {
            return automaton.budget.bytes() > automaton.budget.limits().bytes() / 2;
        }
    }

    private final CompiledGrammar grammar;
    private final TokenTrie trie;
    private Tables tables;

    TokenMachine(CompiledGrammar grammar, TokenTrie trie) {
        this.grammar = grammar;
        this.trie = trie;
        this.tables = new Tables(grammar.normal(), trie);
    }

    /// A matcher at the beginning of a text, for one thread at a time.
    public Matcher matcher() {
        return new Matcher(this);
    }

    TokenTrie trie() {
        return trie;
    }

    synchronized Tables tables() {
        return tables;
    }

    /// Tables other than these full ones.
    synchronized Tables tablesAfter(Tables full) {
        if (tables == full) {
            tables = new Tables(grammar.normal(), trie);
        }
        return tables;
    }
}
