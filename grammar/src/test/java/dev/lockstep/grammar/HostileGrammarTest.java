// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Grammars that explode in a plain construction: they compile and match, or a limit refuses them.
@Timeout(120)
class HostileGrammarTest {
    private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();
    private static final int MANY = 100_000;
    private static final TokenTrie TRIE =
            new TokenTrie(MadeVocabulary.of(4_000, 2), MadeVocabulary.specials(4_000, 2));

    private static Map<String, Grammar> grammars() {
        Map<String, Grammar> all = new LinkedHashMap<>();
        Regex a = Regex.text("a");
        Regex any = Regex.ANY_CHARACTER;
        all.put("a{0,2147483647}", one(new Regex.Repeat(a, 0, Integer.MAX_VALUE)));
        all.put("a{2147483647}", one(new Regex.Repeat(a, Integer.MAX_VALUE, Integer.MAX_VALUE)));
        all.put(
                "a{0,2147483647} within a pattern",
                one(
                        Regex.and(
                                new Regex.Repeat(any, 0, Integer.MAX_VALUE),
                                Regex.sequence(Regex.ANY_BYTES, a, Regex.ANY_BYTES))));
        Regex nested = Regex.text("ab");
        for (int i = 0; i < 12; i++) {
            nested = new Regex.Repeat(Regex.union(nested, a), 0, 1_000);
        }
        all.put("nested repeats", one(nested));
        Regex exact = Regex.text("ab");
        for (int i = 0; i < 12; i++) {
            exact = new Regex.Repeat(Regex.sequence(exact, a), 2, 1_000);
        }
        all.put("nested exact repeats", one(exact));
        Regex stars = a;
        for (int i = 0; i < 60; i++) {
            stars = Regex.star(Regex.sequence(stars, Regex.optional(a)));
        }
        all.put("(((a*a?)*a?)*…)*", one(stars));
        List<Regex> optional = new ArrayList<>();
        for (int i = 0; i < 2_000; i++) {
            optional.add(Regex.optional(a));
        }
        all.put("a?a?a?…", one(new Regex.Sequence(optional)));
        all.put(
                "(.*a){200} with .*a.{200}",
                one(
                        Regex.and(
                                new Regex.Repeat(Regex.sequence(Regex.star(any), a), 200, 200),
                                Regex.sequence(
                                        Regex.star(any), a, new Regex.Repeat(any, 200, 200)))));
        all.put(
                ".*a.{1000}",
                one(Regex.sequence(Regex.star(any), a, new Regex.Repeat(any, 1_000, 1_000))));
        all.put(
                "not .*a.{30}.*",
                one(
                        Regex.ANY_TEXT.minus(
                                Regex.sequence(
                                        Regex.star(any),
                                        a,
                                        new Regex.Repeat(any, 30, 30),
                                        Regex.star(any)))));
        List<Regex> primes = new ArrayList<>();
        for (int prime : new int[] {2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31}) {
            primes.add(Regex.plus(new Regex.Repeat(a, prime, prime)));
        }
        all.put("a number of times that eleven primes divide", one(new Regex.Intersection(primes)));
        List<Regex> literals = new ArrayList<>();
        List<Expression> choices = new ArrayList<>();
        List<Expression> sequences = new ArrayList<>();
        for (int i = 0; i < MANY; i++) {
            Regex literal = Regex.text("value " + i * 31L % 1_000_003);
            literals.add(literal);
            choices.add(Expression.terminal(literal));
            sequences.add(
                    Expression.sequence(Expression.terminal(literal), Expression.reference("b")));
        }
        all.put("100,000 literals", one(new Regex.Union(literals)));
        all.put("100,000 choices", grammar(new Expression.Choice(choices)));
        all.put(
                "100,000 sequences",
                new Grammar(
                        Map.of(
                                "start",
                                new Expression.Choice(sequences),
                                "b",
                                Expression.choice(
                                        Expression.text("b"),
                                        Expression.sequence(
                                                Expression.text("("),
                                                Expression.reference("b"),
                                                Expression.text(")")))),
                        "start"));
        List<Regex> classes = new ArrayList<>();
        for (int i = 0; i < 300; i++) {
            classes.add(new Regex.Repeat(Regex.characters(i * 97, i * 97 + 5_000), 0, 50));
        }
        all.put("unicode classes", one(new Regex.Union(classes)));
        all.put("unicode classes in turn", one(new Regex.Sequence(classes)));
        all.put("unicode classes at once", one(new Regex.Intersection(classes.subList(0, 40))));
        Expression deep = Expression.text("a");
        for (int i = 0; i < 5_000; i++) {
            deep = Expression.optional(Expression.sequence(Expression.text("("), deep));
        }
        all.put("deep", grammar(deep));
        all.put("rules in a row", chain(20_000));
        all.put("rules in a ring", ring(400));
        all.put(
                "doubling rules",
                doubling(40, Expression.choice(Expression.text("a"), Expression.text("aa"))));
        all.put("ambiguous", ambiguous());
        all.put(
                "rules times 2147483647",
                new Grammar(
                        Map.of(
                                "start",
                                new Expression.Repeat(
                                        Expression.reference("b"), 5, Integer.MAX_VALUE),
                                "b",
                                Expression.choice(
                                        Expression.text("a"),
                                        Expression.sequence(
                                                Expression.text("("),
                                                Expression.reference("b"),
                                                Expression.text(")")))),
                        "start"));
        return all;
    }

    private static Grammar one(Regex regex) {
        return grammar(Expression.terminal(regex));
    }

    private static Grammar grammar(Expression start) {
        return new Grammar(Map.of("start", start), "start");
    }

    private static Grammar chain(int length) {
        Map<String, Expression> rules = new HashMap<>();
        for (int i = 0; i < length; i++) {
            rules.put(
                    "r" + i,
                    Expression.choice(
                            Expression.text("x"),
                            Expression.sequence(
                                    Expression.text("a"),
                                    Expression.reference("r" + (i + 1) % length),
                                    Expression.text("b"))));
        }
        return new Grammar(rules, "r0");
    }

    private static Grammar ring(int length) {
        Map<String, Expression> rules = new HashMap<>();
        for (int i = 0; i < length; i++) {
            List<Expression> options = new ArrayList<>();
            options.add(Expression.text("x"));
            for (int k = 0; k < length; k += 7) {
                options.add(
                        Expression.sequence(
                                Expression.reference("r" + (i + k) % length),
                                Expression.text("y" + k)));
            }
            rules.put("r" + i, new Expression.Choice(options));
        }
        return new Grammar(rules, "r0");
    }

    private static Grammar doubling(int depth, Expression last) {
        Map<String, Expression> rules = new HashMap<>();
        rules.put("r0", last);
        for (int i = 1; i <= depth; i++) {
            Expression below = Expression.reference("r" + (i - 1));
            rules.put("r" + i, Expression.choice(Expression.sequence(below, below), below));
        }
        return new Grammar(rules, "r" + depth);
    }

    /// `s = s s | s s s | a | b`, and each part of it may be a part of a longer one.
    private static Grammar ambiguous() {
        Expression s = Expression.reference("s");
        return grammarOf(
                "s",
                Expression.choice(
                        Expression.sequence(s, s),
                        Expression.sequence(s, s, s),
                        Expression.sequence(Expression.text("a"), s, Expression.text("a")),
                        Expression.text("a"),
                        Expression.text("b")));
    }

    private static Grammar grammarOf(String name, Expression rule) {
        return new Grammar(Map.of(name, rule), name);
    }

    @Test
    void explodingGrammarsCompileAndMatchOrAreRefused() {
        List<String> refused = new ArrayList<>();
        List<String> refusedLater = new ArrayList<>();
        grammars()
                .forEach(
                        (name, grammar) -> {
                            long start = THREADS.getCurrentThreadCpuTime();
                            try {
                                CompiledGrammar compiled =
                                        CompiledGrammar.compile(grammar, GrammarLimits.DEFAULT);
                                refusedLater.add(name);
                                follow(compiled);
                                refusedLater.removeLast();
                            } catch (GrammarException _) {
                                if (refusedLater.isEmpty()
                                        || !refusedLater.getLast().equals(name)) {
                                    refused.add(name);
                                }
                            }
                            long seconds = (THREADS.getCurrentThreadCpuTime() - start) >> 30;
                            assertTrue(seconds < 2, name + " took " + seconds + " s");
                        });
        assertEquals(
                List.of(
                        "(.*a){200} with .*a.{200}",
                        "a number of times that eleven primes divide",
                        "100,000 sequences",
                        "deep",
                        "rules in a ring",
                        "doubling rules"),
                refused);
        assertEquals(List.of("nested repeats"), refusedLater);
    }

    private static void follow(CompiledGrammar compiled) {
        Matcher matcher = compiled.on(TRIE).matcher();
        long[] mask = new long[TRIE.words()];
        matcher.mask(mask);
        for (byte each : "aababaaaaabaaaaaaabaaaaaaaaaaaa".getBytes(StandardCharsets.UTF_8)) {
            boolean allowed = (mask[each >>> 6] >>> each & 1) != 0;
            assertEquals(allowed, matcher.accept(each));
            if (allowed) {
                matcher.mask(mask);
            }
        }
    }
}
