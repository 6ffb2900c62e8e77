// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import java.util.List;

/// The pre-tokenizers that `tokenizer.ggml.pre` names; byte-level vocabularies only.
final class GgufPreTokenizers {
    private static final TokenPattern DIGIT = digits(1, 1);
    private static final TokenPattern ASCII_DIGIT_TRIPLES = run("0-9", 3, 3);

    /// Cased letters as DeepSeek's tokenizer lists them; escaped where an editor that composes
    /// characters would change them.
    private static final String DEEPSEEK_LETTERS =
            "A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅ"
                    + "ὐ-ὗὙὛὝὟ-\u1F7Dᾀ-ᾴᾶ-ᾼ\u1FBEῂ-ῄῆ-ῌῐ-\u1FD3ῖ-\u1FDBῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ\u2126ℨ\u212A-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛ"
                    + "Ꜣ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃";

    private static final String CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
    private static final String LINES = "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

    /// Seed-OSS: cl100k with single digits, whose symbols take no line breaks.
    private static final String SEED =
            CONTRACTIONS
                    + "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1}| ?[^\\s\\p{L}\\p{N}\\r\\n]+"
                    + LINES;

    private static final String KIMI_UPPER = "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]";
    private static final String KIMI_LOWER = "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]";

    /// Kimi K2: o200k with runs of Han apart from other letters.
    private static final String KIMI =
            "[\\p{Han}]+|[^\\r\\n\\p{L}\\p{N}]?"
                    + KIMI_UPPER
                    + "*"
                    + KIMI_LOWER
                    + "+"
                    + CONTRACTIONS
                    + "?|[^\\r\\n\\p{L}\\p{N}]?"
                    + KIMI_UPPER
                    + "+"
                    + KIMI_LOWER
                    + "*"
                    + CONTRACTIONS
                    + "?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
                    + LINES;

    private GgufPreTokenizers() {}

    /// Returns the pre-tokenizers of a name; refuses an unknown name, because other rules would
    /// produce other ids.
    static List<PreTokenizer> of(String name) {
        return patterns(name).stream().<PreTokenizer>map(Split::isolated).toList();
    }

    /// Returns a name of each rule, the best known one.
    static List<String> names() {
        return List.of(
                "llama-bpe",
                "qwen2",
                "gpt-2",
                "smollm",
                "gpt-4o",
                "tekken",
                "dbrx",
                "qwen35",
                "deepseek-v3",
                "deepseek-llm",
                "deepseek-coder",
                "seed-coder",
                "kimi-k2",
                "falcon");
    }

    /// Returns whether a word that is a token becomes that token before any merge.
    static boolean wholeWordsFirst(String name) {
        return switch (name) {
            case "llama3",
                    "llama-v3",
                    "llama-bpe",
                    "falcon3",
                    "falcon-h1",
                    "pixtral",
                    "midm-2.0",
                    "lfm2",
                    "tekken" ->
                    true;
            default -> false;
        };
    }

    /// Returns whether BOS precedes a text if the file does not specify it.
    static boolean addsBos(String name) {
        return wholeWordsFirst(name);
    }

    private static List<TokenPattern> patterns(String name) {
        return switch (name) {
            case "", "default" ->
                    List.of(
                            run("\\p{P}$+<=>^~|"),
                            new Gpt2Pattern(),
                            digits(1, ALL),
                            ASCII_DIGIT_TRIPLES);
            case "gpt-2",
                    "phi-2",
                    "mpt",
                    "olmo",
                    "jais",
                    "trillion",
                    "granite-docling",
                    "gigachat",
                    "exaone4",
                    "mellum",
                    "a.x-4.0",
                    "modern-bert",
                    "jina-es",
                    "jina-de",
                    "jina-v2-es",
                    "jina-v2-de",
                    "jina-v1-en",
                    "jina-v2-code",
                    "roberta-bpe" ->
                    List.of(new Gpt2Pattern());
            case "smollm",
                    "starcoder",
                    "refact",
                    "command-r",
                    "codeshell",
                    "exaone",
                    "minerva-7b",
                    "mellum2" ->
                    List.of(DIGIT, new Gpt2Pattern());
            case "falcon" ->
                    List.of(run("\\p{P}$+<=>^~|`"), new Gpt2Pattern(), ASCII_DIGIT_TRIPLES);
            case "llama3",
                    "llama-v3",
                    "llama-bpe",
                    "falcon3",
                    "falcon-h1",
                    "pixtral",
                    "midm-2.0",
                    "lfm2",
                    "dbrx",
                    "smaug-bpe",
                    "glm4",
                    "chatglm-bpe" ->
                    List.of(new Cl100kPattern(3, true, false));
            case "qwen2",
                    "deepseek-r1-qwen",
                    "stablelm2",
                    "hunyuan",
                    "solar-open",
                    "megrez",
                    "kormo",
                    "grok-2",
                    "bailingmoe",
                    "bailingmoe2",
                    "llada-moe" ->
                    List.of(new Cl100kPattern(1, true, false));
            case "qwen35" -> List.of(new Cl100kPattern(1, true, true));
            case "gpt-4o", "llama4", "kanana2", "minimax-m2" -> List.of(new O200kPattern(3, true));
            case "tekken" -> List.of(new O200kPattern(1, false));
            case "seed-coder" -> List.of(new RegexPattern(SEED));
            case "kimi-k2" -> List.of(new RegexPattern(KIMI));
            case "deepseek-v3", "hunyuan-dense", "joyai-llm" ->
                    List.of(
                            digits(1, 3),
                            run("一-龥\u3040-\u309F\u30A0-\u30FF"),
                            new DeepSeek3Pattern());
            case "deepseek-llm" ->
                    List.of(
                            run("\r\n", 1, 1),
                            spacedRun(DEEPSEEK_LETTERS),
                            spacedRun("!-/:-~！-／：-～‘-‟　-。"),
                            new TrailingSpacePattern(),
                            run("一-龥ࠀ-一가-퟿"),
                            digits(1, ALL));
            case "deepseek-coder" ->
                    List.of(
                            run("\r\n", 1, 1),
                            spacedRun("\\p{L}"),
                            spacedRun("\\p{P}"),
                            run("一-龥ࠀ-一가-퟿"),
                            DIGIT);
            default ->
                    throw new IllegalArgumentException(
                            "tokenizer.ggml.pre is '"
                                    + name
                                    + "', which is not supported; a folder with tokenizer.json may work");
        };
    }

    private static final int ALL = Integer.MAX_VALUE;

    private static TokenPattern digits(int min, int max) {
        return new RunPattern(false, CharacterSet.ofClasses(Characters.NUMBER), min, max);
    }

    private static TokenPattern run(String characters) {
        return run(characters, 1, ALL);
    }

    private static TokenPattern run(String characters, int min, int max) {
        return new RunPattern(false, CharacterClass.parse(characters), min, max);
    }

    private static TokenPattern spacedRun(String characters) {
        return new RunPattern(true, CharacterClass.parse(characters), 1, ALL);
    }
}
