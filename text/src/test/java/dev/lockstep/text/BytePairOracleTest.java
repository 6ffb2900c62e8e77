// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

/// Small byte pair vocabularies give the ids of the format's own library.
final class BytePairOracleTest {
    @Test
    void aCharacterWithoutATokenVanishesBeforeTheMerges() {
        for (String part :
                new String[] {
                    "",
                    "'unk_token':'<unk>','fuse_unk':true,",
                    "'unk_token':'<unk>','fuse_unk':false,",
                    "'byte_fallback':true,",
                    "'byte_fallback':true,'unk_token':'<unk>','fuse_unk':true,",
                    "'byte_fallback':true,'continuing_subword_prefix':'##',"
                }) {
            byte[] json =
                    ("{'added_tokens':[],'model':{'type':'BPE',"
                                    + part
                                    + "'vocab':{'<unk>':0,'a':1,'b':2,'ab':3,'▁':4,'▁▁':5,'<0xC3>':6,'<0xA9>':7,'<unk>a':8,"
                                    + "'##b':9,'<0x23>':10},"
                                    + (part.contains("##")
                                            ? "'merges':['a ##b']}}"
                                            : "'merges':['a b','▁ ▁','<unk> a']}}"))
                            .replace('\'', '"')
                            .getBytes(StandardCharsets.UTF_8);
            try (var reference = new ReferenceTokenizer(json)) {
                for (String text :
                        new String[] {"aXb", "▁X▁", "aéb", "aXéb", "XaéXb", "XY", "X▁XY▁ab", ""}) {
                    assertArrayEquals(
                            reference.encode(text, false),
                            Tokenizers.ofJson(json).encode(text, true),
                            part + " " + text);
                }
            }
        }
    }

    @Test
    void aWordThatIsATokenIsOneOnlyAsAWhole() {
        byte[] json =
                "{'added_tokens':[],'model':{'type':'BPE','ignore_merges':true,'vocab':{'▁':0,'a':1,'b':2,'ab':3},'merges':[]}}"
                        .replace('\'', '"')
                        .getBytes(StandardCharsets.UTF_8);
        try (var reference = new ReferenceTokenizer(json)) {
            for (String text : new String[] {"ab", "ab▁ab", "▁ab"}) {
                assertArrayEquals(
                        reference.encode(text, false),
                        Tokenizers.ofJson(json).encode(text, true),
                        text);
            }
        }
    }

    @Test
    void affixesOfSubwords() {
        byte[] json =
                """
                {"version":"1.0","added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"WhitespaceSplit"},
                 "post_processor":null,"decoder":null,
                 "model":{"type":"BPE","unk_token":"<unk>","continuing_subword_prefix":"##","end_of_word_suffix":"</w>",
                  "vocab":{"<unk>":0,"t":1,"##h":2,"##e</w>":3,"th":4,"the</w>":5,"a</w>":6,"##he</w>":7,"x":8},
                  "merges":["t ##h","th ##e</w>","##h ##e</w>"]}}
                """
                        .getBytes(StandardCharsets.UTF_8);
        try (var reference = new ReferenceTokenizer(json)) {
            for (String text : new String[] {"the", "a", "the a", "th", "xhe", "the the x", "é"}) {
                assertArrayEquals(
                        reference.encode(text, false),
                        Tokenizers.ofJson(json).encode(text, true),
                        text);
            }
        }
    }
}
