// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Pattern;

/// The byte-level BPE tokenizer of [TinyCheckpoint]: three special tokens, 256 bytes and merges
/// learnt from the few sentences below.
///
/// @param merges pairs in the order they are applied
record TinyTokenizer(List<String> special, List<String> bytes, List<Pair> merges) {
    /// Two neighbouring tokens that become one.
    record Pair(String left, String right) {
        String joined() {
            return left + right;
        }
    }

    private static final ObjectMapper JSON = new ObjectMapper();

    private static final Pattern WORD_BORDER = Pattern.compile("(?=\\s)|(?<=\\n)");

    private static final String TEXT =
            """
            The workers of a group take every step together, and each of them holds a part of the
            weights. When a request arrives its words become tokens, the tokens become numbers, and
            the numbers pass through one layer after another until the next token can be chosen.
            Name three colours. What is the capital of that country? Please write a short story about
            a ship and the people on it. She said that nothing would change before morning came, but
            already the wind had turned and the water was rising. In the first hour they counted the
            blocks, in the second they gave them back. There is no lock here, only messages sent from
            one thread to the other. Hello, how are you today? I am a small model made for testing.
            """;

    /// Learns enough merges to fill a vocabulary of `size`.
    static TinyTokenizer learn(int size, List<String> special) {
        List<String> bytes = new ArrayList<>();
        for (int value = 0; value < 256; value++) {
            bytes.add(letter(value));
        }
        List<List<String>> words = new ArrayList<>();
        for (String word : WORD_BORDER.splitAsStream(TEXT).toList()) {
            words.add(new ArrayList<>(word.chars().mapToObj(TinyTokenizer::letter).toList()));
        }
        List<Pair> merges = new ArrayList<>();
        Set<String> known = new HashSet<>();
        while (special.size() + bytes.size() + merges.size() < size) {
            Pair best = mostFrequent(words, known);
            merges.add(best);
            known.add(best.joined());
            words.forEach(word -> merge(word, best));
        }
        return new TinyTokenizer(special, bytes, merges);
    }

    /// Returns every token with its id: specials first, then bytes, then merges.
    Map<String, Integer> vocabulary() {
        Map<String, Integer> ids = new LinkedHashMap<>();
        special.forEach(token -> ids.put(token, ids.size()));
        bytes.forEach(token -> ids.put(token, ids.size()));
        merges.forEach(pair -> ids.put(pair.joined(), ids.size()));
        return ids;
    }

    /// Returns the text of a `tokenizer.json`.
    String json() {
        ObjectNode root = JSON.createObjectNode();
        root.put("version", "1.0").putNull("truncation").putNull("padding");
        ArrayNode added = root.putArray("added_tokens");
        for (int id = 0; id < special.size(); id++) {
            added.addObject()
                    .put("id", id)
                    .put("content", special.get(id))
                    .put("single_word", false)
                    .put("lstrip", false)
                    .put("rstrip", false)
                    .put("normalized", false)
                    .put("special", true);
        }
        root.putNull("normalizer");
        byteLevel(root.putObject("pre_tokenizer"));
        root.putNull("post_processor");
        byteLevel(root.putObject("decoder"));
        ObjectNode model = root.putObject("model").put("type", "BPE").putNull("dropout");
        model.putNull("unk_token").put("byte_fallback", false).put("ignore_merges", false);
        vocabulary().forEach(model.putObject("vocab")::put);
        ArrayNode pairs = model.putArray("merges");
        merges.forEach(pair -> pairs.addArray().add(pair.left()).add(pair.right()));
        return root.toPrettyString();
    }

    private static void byteLevel(ObjectNode node) {
        node.put("type", "ByteLevel").put("add_prefix_space", false);
        node.put("trim_offsets", true).put("use_regex", true);
    }

    /// Returns GPT-2's letter for a byte: itself if printable, else one from U+0100 upwards.
    private static String letter(int value) {
        int unprintable = 0;
        for (int other = 0; other < value; other++) {
            unprintable += isPrintable(other) ? 0 : 1;
        }
        return Character.toString(isPrintable(value) ? value : 0x100 + unprintable);
    }

    private static boolean isPrintable(int value) {
        return (value >= '!' && value <= '~')
                || (value >= 0xA1 && value <= 0xAC)
                || (value >= 0xAE && value <= 0xFF);
    }

    /// Returns the most frequent pair. Ties go to the pair that sorts first, so that every run
    /// learns the same merges. A token that two different pairs would make is learnt once.
    private static Pair mostFrequent(List<List<String>> words, Set<String> known) {
        Comparator<Pair> order = Comparator.comparing(Pair::left).thenComparing(Pair::right);
        Map<Pair, Integer> counts = new TreeMap<>(order);
        for (List<String> word : words) {
            for (int i = 0; i + 1 < word.size(); i++) {
                var pair = new Pair(word.get(i), word.get(i + 1));
                if (!known.contains(pair.joined())) {
                    counts.merge(pair, 1, Integer::sum);
                }
            }
        }
        Map.Entry<Pair, Integer> best =
                counts.entrySet().stream()
                        .reduce((a, b) -> b.getValue() > a.getValue() ? b : a)
                        .orElseThrow();
        return best.getKey();
    }

    private static void merge(List<String> word, Pair pair) {
        for (int i = 0; i + 1 < word.size(); i++) {
            if (word.get(i).equals(pair.left()) && word.get(i + 1).equals(pair.right())) {
                word.set(i, pair.joined());
                word.remove(i + 1);
            }
        }
    }
}
