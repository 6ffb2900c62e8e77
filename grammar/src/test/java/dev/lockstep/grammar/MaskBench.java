// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/// Times of compiling grammars, and of the mask before each token of a text, states that are seen
/// for the first time included. One thread; each grammar is compiled anew each time.
final class MaskBench {
    private MaskBench() {}

    private static final java.lang.management.ThreadMXBean THREADS =
            java.lang.management.ManagementFactory.getThreadMXBean();

    /// CPU time of this thread: other processes do not count.
    private static long now() {
        return THREADS.getCurrentThreadCpuTime();
    }

    record Case(String name, Grammar grammar, String text) {}

    public static void main(String... args) {
        int size = 128 << 10;
        byte[][] tokens = MadeVocabulary.of(size, 256);
        for (int i = 0; i < 5; i++) {
            long start = now();
            new TokenTrie(tokens, MadeVocabulary.specials(size, 256));
            System.out.printf(
                    Locale.ROOT, "trie of %d tokens: %.0f ms%n", size, (now() - start) / 1e6);
        }
        var trie = new TokenTrie(tokens, MadeVocabulary.specials(size, 256));
        List<Case> cases = cases();
        for (int round = 0; round < 40; round++) {
            for (Case each : cases) {
                measure(each, trie, tokens, round == 39);
            }
        }
    }

    static List<Case> cases() {
        List<Case> cases = new ArrayList<>();
        String text =
                "{\"name\": \"Conversation about ints\", \"tags\": [\"alpha\", \"beta\", \"gamma\"], \"n\": 12345.5e3, \"nested\": {\"a\": [1, 2, {\"b\": null}], \"c\": true, \"quote\": \"he said \\\"no\\\"\"}}";
        cases.add(new Case("any JSON", JsonGrammars.any(), text));
        cases.add(
                new Case(
                        "string of 1 to 2000",
                        one(JsonGrammars.string(1, 2000)),
                        "\"" + "Some words in a counted string, ".repeat(10) + "\""));
        List<Regex> options = new ArrayList<>();
        for (int i = 0; i < 5000; i++) {
            options.add(Regex.text("\"option " + i * 7919 % 5000 + "\""));
        }
        cases.add(new Case("enum of 5000", one(new Regex.Union(options)), "\"option 4321\""));
        cases.add(
                new Case(
                        "pattern",
                        one(
                                Regex.sequence(
                                        Regex.text("\""),
                                        Regex.and(
                                                Regex.star(JsonGrammars.CHARACTER),
                                                Regex.sequence(
                                                        Regex.ANY_BYTES,
                                                        Regex.text("@"),
                                                        Regex.ANY_BYTES,
                                                        Regex.text(".com"))),
                                        Regex.text("\""))),
                        "\"somebody and others at home@example.com\""));
        cases.add(
                new Case(
                        "text until a marker",
                        one(Regex.until(Regex.text("</think>"))),
                        "some thoughts about <things> and others </think>"));
        return cases;
    }

    private static Grammar one(Regex regex) {
        return new Grammar(java.util.Map.of("start", Expression.terminal(regex)), "start");
    }

    private static void measure(Case each, TokenTrie trie, byte[][] tokens, boolean print) {
        long start = now();
        CompiledGrammar compiled = CompiledGrammar.compile(each.grammar(), GrammarLimits.DEFAULT);
        long compiledAt = now();
        Matcher matcher = compiled.on(trie).matcher();
        long ready = now();
        long[] mask = new long[trie.words()];
        byte[] text = each.text().getBytes(StandardCharsets.UTF_8);
        int position = 0;
        List<Long> times = new ArrayList<>();
        List<Integer> ids = new ArrayList<>();
        while (position < text.length) {
            int id = longest(tokens, text, position);
            ids.add(id);
            long before = now();
            matcher.mask(mask);
            times.add(now() - before);
            if ((mask[id >>> 6] >>> id & 1) == 0) {
                throw new IllegalStateException(each.name() + " refuses its text at " + position);
            }
            matcher.accept(id);
            position += tokens[id].length;
        }
        if (print) {
            System.out.printf(
                    Locale.ROOT,
                    "%-20s compile %.2f ms, machine %.2f ms, %d bytes; %d masks: p50 %.1f us, p99 %.1f us, max %.1f us; may end %s%n",
                    each.name(),
                    (compiledAt - start) / 1e6,
                    (ready - compiledAt) / 1e6,
                    compiled.encode().length,
                    times.size(),
                    percentile(times, 50) / 1e3,
                    percentile(times, 99) / 1e3,
                    percentile(times, 100) / 1e3,
                    matcher.mayEnd());
        }
    }

    private static final java.util.Map<java.nio.ByteBuffer, Integer> IDS =
            new java.util.HashMap<>();

    private static int longest(byte[][] tokens, byte[] text, int from) {
        if (IDS.isEmpty()) {
            for (int i = 0; i < tokens.length; i++) {
                if (tokens[i] != null) {
                    IDS.put(java.nio.ByteBuffer.wrap(tokens[i]), i);
                }
            }
        }
        for (int to = Math.min(text.length, from + 12); ; to--) {
            Integer id = IDS.get(java.nio.ByteBuffer.wrap(Arrays.copyOfRange(text, from, to)));
            if (id != null) {
                return id;
            }
        }
    }

    static long percentile(List<Long> times, int percent) {
        List<Long> sorted = times.stream().sorted().toList();
        return sorted.get(Math.min(sorted.size() - 1, sorted.size() * percent / 100));
    }
}
