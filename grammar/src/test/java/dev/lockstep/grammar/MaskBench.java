// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.lockstep.grammar.schema.JsonSchema;
import dev.lockstep.grammar.schema.Layout;
import dev.lockstep.grammar.schema.SchemaException;
import dev.lockstep.grammar.schema.SchemaLimits;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Times of compiling the schemas of a file of JSON lines, and of the mask before each token of
/// their instances, states that are seen for the first time included: on one thread, in CPU time,
/// so that other processes count little.
///
/// Arguments: the file, and a `tokenizer.json` or a GGUF file of byte-level tokens or else a made
/// vocabulary.
final class MaskBench {
    private static final int MADE = 128 << 10;
    private static final int MADE_SPECIALS = 256;
    private static final int ROUNDS = 3;
    private static final int LONGEST_TOKEN = 16;
    private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();
    private static final ObjectMapper JSON = new ObjectMapper();

    private final TokenTrie trie;
    private final Map<ByteBuffer, Integer> ids = new HashMap<>();
    private final List<Long> schemas = new ArrayList<>();
    private final List<Long> grammars = new ArrayList<>();
    private final List<Long> machines = new ArrayList<>();
    private final List<Long> masks = new ArrayList<>();
    private final List<Long> replays = new ArrayList<>();
    private int refused;

    private MaskBench(byte[] @Nullable [] tokens, TokenTrie trie) {
        this.trie = trie;
        for (int id = 0; id < tokens.length; id++) {
            if (tokens[id] != null) {
                ids.putIfAbsent(ByteBuffer.wrap(tokens[id]), id);
            }
        }
    }

    public static void main(String... args) throws IOException {
        byte[] @Nullable [] tokens =
                args.length == 1
                        ? MadeVocabulary.of(MADE, MADE_SPECIALS)
                        : args[1].endsWith(".gguf")
                                ? GgufVocabulary.read(Path.of(args[1]))
                                : ByteLevelVocabulary.read(Path.of(args[1]));
        var trie = new TokenTrie(tokens, Set.of());
        for (int i = 0; i < ROUNDS; i++) {
            long start = now();
            trie = new TokenTrie(tokens, Set.of());
            System.out.printf(
                    Locale.ROOT, "trie of %d ids: %.0f ms%n", tokens.length, (now() - start) / 1e6);
        }
        for (int i = 0; i < ROUNDS; i++) {
            var bench = new MaskBench(tokens, trie);
            for (String line : Files.readAllLines(Path.of(args[0]))) {
                bench.measure(JSON.readTree(line));
            }
            bench.print();
        }
    }

    private static long now() {
        return THREADS.getCurrentThreadCpuTime();
    }

    private void measure(JsonNode line) throws IOException {
        long start = now();
        Grammar grammar;
        long read;
        CompiledGrammar compiled;
        try {
            grammar =
                    JsonSchema.grammar(
                            line.get("schema").toString(), Layout.COMPACT, SchemaLimits.DEFAULT);
            read = now();
            compiled = CompiledGrammar.compile(grammar, GrammarLimits.DEFAULT);
        } catch (SchemaException | GrammarException _) {
            refused++;
            return;
        }
        long made = now();
        TokenMachine machine = compiled.on(trie);
        schemas.add(read - start);
        grammars.add(made - read);
        machines.add(now() - made);
        for (JsonNode test : line.get("tests")) {
            follow(machine, JSON.writeValueAsBytes(test.get("data")));
        }
    }

    private void follow(TokenMachine machine, byte[] text) {
        Matcher matcher = machine.matcher();
        long[] mask = new long[trie.words()];
        int[] accepted = new int[text.length];
        int count = 0;
        int position = 0;
        while (position < text.length) {
            int end = Math.min(text.length, position + LONGEST_TOKEN);
            Integer id = ids.get(ByteBuffer.wrap(Arrays.copyOfRange(text, position, end)));
            while (id == null) {
                end--;
                id = ids.get(ByteBuffer.wrap(Arrays.copyOfRange(text, position, end)));
            }
            long start = now();
            matcher.mask(mask);
            masks.add(now() - start);
            if (!matcher.accept(id)) {
                break;
            }
            accepted[count++] = id;
            position = end;
        }
        if (count > 100) {
            long start = now();
            machine.matcher().acceptAll(Arrays.copyOf(accepted, count));
            replays.add((now() - start) * 1_000 / count);
        }
    }

    private void print() {
        System.out.printf("%d schemas compiled, %d refused%n", grammars.size(), refused);
        print("read a schema", schemas);
        print("compile its grammar", grammars);
        print("decode it for a machine", machines);
        print("mask", masks);
        print("replay of 1,000 tokens", replays);
    }

    private static void print(String name, List<Long> nanos) {
        List<Long> sorted = nanos.stream().sorted().toList();
        System.out.printf(
                Locale.ROOT,
                "%-24s %7d times: p50 %.1f us, p90 %.1f us, p99 %.1f us, most %.1f us%n",
                name,
                sorted.size(),
                percentile(sorted, 50),
                percentile(sorted, 90),
                percentile(sorted, 99),
                percentile(sorted, 100));
    }

    private static double percentile(List<Long> sorted, int percent) {
        return sorted.get(Math.min(sorted.size() - 1, sorted.size() * percent / 100)) / 1e3;
    }
}
