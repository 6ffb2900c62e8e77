package dev.lockstep.text;

/// Puts a prefix before pieces that do not begin with it, after writing spaces as that prefix's
/// character.
///
/// Byte-level files ask for a plain space (`add_prefix_space`), SentencePiece-like ones for `▁`
/// (Metaspace).
///
/// @param symbol what a space is written as
/// @param where before which pieces
record SpacePrefix(String symbol, Where where) implements PreTokenizer {
    /// Which pieces get the prefix.
    enum Where {
        NEVER,
        /// The piece at the very start of the input, not one behind an added token.
        FIRST,
        ALWAYS
    }

    @Override
    public Pieces apply(Pieces pieces) {
        StringBuilder text = new StringBuilder(pieces.text().length + pieces.count());
        Pieces result = new Pieces(new char[0], pieces.startsInput(), pieces.count());
        for (int i = 0; i < pieces.count(); i++) {
            int start = text.length();
            String piece =
                    new String(pieces.text(), pieces.start(i), pieces.end(i) - pieces.start(i))
                            .replace(" ", symbol);
            if (prefixes(pieces, i) && !piece.startsWith(symbol)) {
                text.append(symbol);
            }
            text.append(piece);
            result.add(start, text.length());
        }
        return result.withText(text.toString().toCharArray());
    }

    private boolean prefixes(Pieces pieces, int piece) {
        return switch (where) {
            case NEVER -> false;
            case FIRST -> pieces.startsInput() && pieces.start(piece) == 0;
            case ALWAYS -> true;
        };
    }
}
