// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import java.text.Normalizer;
import java.util.List;
import java.util.stream.Stream;

/// Texts that different rules of splitting split differently, in composed form: GGUF files have no
/// normalizer for byte-level vocabularies.
final class ProbeTexts {
    static final List<String> ALL =
            Stream.of(
                            "Hello, world! It's what they've said; we'll see if I'm right.",
                            "DON'T, Don'T, he'S, WE'LL, I'D, 're, ''t, rock'n'roll",
                            "1 12 123 1234 12345 1234567890 3.14159 0x1F 2024-05-17 １２３ ½ ²³ Ⅷ",
                            "a1b22c333d4444 x86_64 utf8 H2O v1.2.3",
                            "  two  spaces   three    four ",
                            "tabs\tand\t\tmore \t mixed\u00A0space\u3000wide",
                            "line\nline\n\nline\r\nline\r\n\r\n  indented\n\t\ttabs\n",
                            "trailing spaces   ",
                            "\n\n\n   \n x",
                            "camelCase HTTPServer ABCdef iPhone McDonald ÉCOLE élève ǅ ʰ",
                            "a/b/c //comment\n/* x */ !!!/// ...\n!?/\n $$$ €€ ^^ ~~ `code` <|>",
                            "$100 +5 =3 <b> a+b=c a^b |x| `q` ^1",
                            "def f(x):\n    return {'a': [1, 2], \"b\": x**2}  # c\n",
                            "https://example.org/a?b=1&c=%20#d user@example.org",
                            "Zażółć gęślą jaźń, Größe, naïve, Ελληνικά, Русский текст, Հայերեն",
                            "漢字とかなカナ混じり文、中文文本。한국어 텍스트 123개",
                            "العربية مُشَكَّلَة ١٢٣ हिन्दी पाठ क्षेत्र ไทยภาษา",
                            "👩‍👩‍👧‍👦 👍🏽 🇩🇪 ☃️ é̂ x̄y",
                            "\u0000\u0001\u001F\u007F\u200B\uFEFF\u00AD",
                            "ⱠⱡꟀ 𝔘𝔫𝔦 𐐀𐐨 ﬁ ẞ",
                            "")
                    .map(text -> Normalizer.normalize(text, Normalizer.Form.NFC))
                    .toList();

    private ProbeTexts() {}
}
