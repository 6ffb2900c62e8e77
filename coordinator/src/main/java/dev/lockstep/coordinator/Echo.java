package dev.lockstep.coordinator;

/// A prompt that comes back before its text.
record Echo(String text, int[] ids) {
    int characters() {
        return text.codePointCount(0, text.length());
    }
}
