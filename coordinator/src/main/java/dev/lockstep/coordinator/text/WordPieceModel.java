package dev.lockstep.coordinator.text;

/// BERT's model: from the left, always the longest token; a word that cannot be covered is one
/// unknown token.
///
/// @param startPrefix what tokens at the start of a word carry in front, `▁` or nothing
/// @param insidePrefix what tokens inside a word carry in front, `##` or nothing
/// @param longestWord a word of more characters is unknown
record WordPieceModel(
        Vocabulary vocabulary,
        String startPrefix,
        String insidePrefix,
        int unknown,
        int longestWord)
        implements TokenModel {
    @Override
    public void encode(char[] text, int from, int to, IntList ids) {
        String word = new String(text, from, to - from);
        IntList pieces = new IntList();
        if (word.codePointCount(0, word.length()) > longestWord || !cover(word, pieces)) {
            if (unknown != Vocabulary.NONE) {
                ids.add(unknown);
            }
            return;
        }
        ids.addAll(pieces.toArray());
    }

    private boolean cover(String word, IntList pieces) {
        int start = 0;
        while (start < word.length()) {
            String prefix = start == 0 ? startPrefix : insidePrefix;
            int end = word.length();
            int id = Vocabulary.NONE;
            while (end > start && id == Vocabulary.NONE) {
                id = vocabulary.textId(prefix + word.substring(start, end));
                end = id == Vocabulary.NONE ? word.offsetByCodePoints(end, -1) : end;
            }
            if (id == Vocabulary.NONE) {
                return false;
            }
            pieces.add(id);
            start = end;
        }
        return true;
    }
}
