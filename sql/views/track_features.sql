-- One wide row per track: every numeric feature by its flat name, NULL where it is not measured (yet).
-- Lists of twelve are spread to twelve columns, counted from 0 (pitch class C).
-- Written by sql/write_track_features.py from the tables' declarations.
CREATE OR REPLACE VIEW track_features AS
SELECT
    tracks.item,
    tracks.artist,
    tracks.title,
    tracks.duration_s,

    -- loudness
    loudness.lufs,
    loudness.lra,
    stem_loudness.lufs_bass,
    stem_loudness.lra_bass,
    stem_loudness.lufs_drums,
    stem_loudness.lra_drums,
    stem_loudness.lufs_other,
    stem_loudness.lra_other,
    stem_loudness.lufs_vocals,
    stem_loudness.lra_vocals,

    -- tempo
    tempo.bpm,
    tempo.bpm_beat_this,
    tempo.bpm_essentia,
    tempo.bpm_is_defined,
    tempo.beat_count,
    tempo.beat_regularity_s,

    -- onsets
    onsets.onset_count,
    onsets.onset_density_hz,
    onsets.onset_strength_mean,
    onsets.onset_strength_std,

    -- rhythm
    rhythm.syncopation,
    rhythm.on_beat_ratio,
    rhythm.rhythmic_complexity,
    rhythm.rhythmic_evenness,
    rhythm.ioi_mean_s,
    rhythm.ioi_std_s,

    -- position in the file, for crops only
    CAST(NULL AS DOUBLE) AS position_in_file,

    -- timbre
    timbre.brightness,
    timbre.roughness,
    timbre.hardness,
    timbre.depth,
    timbre.booming,
    timbre.reverberation,
    timbre.sharpness,
    timbre.warmth,

    -- spectral shape
    spectral.spectral_flatness,
    spectral.spectral_flux,
    spectral.spectral_skewness,
    spectral.spectral_kurtosis,

    -- saturation
    saturation.saturation_ratio,
    saturation.saturation_count,

    -- band levels
    band_rms.rms_energy_bass_db,
    band_rms.rms_energy_body_db,
    band_rms.rms_energy_mid_db,
    band_rms.rms_energy_air_db,

    -- tonal
    tonal.chroma[1] AS chroma_0, tonal.chroma[2] AS chroma_1, tonal.chroma[3] AS chroma_2, tonal.chroma[4] AS chroma_3,
    tonal.chroma[5] AS chroma_4, tonal.chroma[6] AS chroma_5, tonal.chroma[7] AS chroma_6, tonal.chroma[8] AS chroma_7,
    tonal.chroma[9] AS chroma_8, tonal.chroma[10] AS chroma_9, tonal.chroma[11] AS chroma_10, tonal.chroma[12] AS chroma_11,
    tonal.hpcp[1] AS hpcp_0, tonal.hpcp[2] AS hpcp_1, tonal.hpcp[3] AS hpcp_2, tonal.hpcp[4] AS hpcp_3,
    tonal.hpcp[5] AS hpcp_4, tonal.hpcp[6] AS hpcp_5, tonal.hpcp[7] AS hpcp_6, tonal.hpcp[8] AS hpcp_7,
    tonal.hpcp[9] AS hpcp_8, tonal.hpcp[10] AS hpcp_9, tonal.hpcp[11] AS hpcp_10, tonal.hpcp[12] AS hpcp_11,
    tonal.tiv[1] AS tiv_0, tonal.tiv[2] AS tiv_1, tonal.tiv[3] AS tiv_2, tonal.tiv[4] AS tiv_3,
    tonal.tiv[5] AS tiv_4, tonal.tiv[6] AS tiv_5, tonal.tiv[7] AS tiv_6, tonal.tiv[8] AS tiv_7,
    tonal.tiv[9] AS tiv_8, tonal.tiv[10] AS tiv_9, tonal.tiv[11] AS tiv_10, tonal.tiv[12] AS tiv_11,
    tonal.tonic,
    tonal.tonic_strength,

    -- harmony of stems
    stem_harmony.harmonic_movement_bass,
    stem_harmony.harmonic_variance_bass,
    stem_harmony.harmonic_movement_other,
    stem_harmony.harmonic_variance_other,

    -- rhythm of stems
    stem_rhythm.onset_density_average_bass,
    stem_rhythm.onset_density_variance_bass,
    stem_rhythm.syncopation_bass,
    stem_rhythm.rhythmic_complexity_bass,
    stem_rhythm.rhythmic_evenness_bass,
    stem_rhythm.onset_density_average_drums,
    stem_rhythm.onset_density_variance_drums,
    stem_rhythm.syncopation_drums,
    stem_rhythm.rhythmic_complexity_drums,
    stem_rhythm.rhythmic_evenness_drums,
    stem_rhythm.onset_density_average_other,
    stem_rhythm.onset_density_variance_other,
    stem_rhythm.syncopation_other,
    stem_rhythm.rhythmic_complexity_other,
    stem_rhythm.rhythmic_evenness_other,

    -- high level
    coalesce(binary_labels.danceable_probability, high_level.danceability) AS danceability,
    coalesce(binary_labels.atonal_probability, high_level.atonality) AS atonality,

    -- aesthetics
    aesthetics.content_enjoyment,
    aesthetics.content_usefulness,
    aesthetics.production_complexity,
    aesthetics.production_quality,

    -- beyond the 108; danceability and atonality of different sources are not comparable
    CASE WHEN binary_labels.item IS NULL THEN 'classical' ELSE 'essentia' END AS high_level_source,
    tempo.tempo_confidence,
    tonal.key,
    tonal.scale,
    tonal.key_strength,
    tonal.tuning_hz,
    loudness.true_peak_dbtp,
    loudness.sample_peak_dbfs,
    loudness.crest_factor_db,
    loudness.dynamic_complexity,
    loudness.stereo_width,
    loudness.stereo_correlation,
    spectral.spectral_centroid_hz,
    spectral.spectral_bandwidth_hz,
    spectral.spectral_rolloff_hz,
    binary_labels.voice_probability,
    binary_labels.female_probability
FROM tracks
LEFT JOIN loudness USING (item)
LEFT JOIN tempo USING (item)
LEFT JOIN onsets USING (item)
LEFT JOIN rhythm USING (item)
LEFT JOIN spectral USING (item)
LEFT JOIN saturation USING (item)
LEFT JOIN band_rms USING (item)
LEFT JOIN tonal USING (item)
LEFT JOIN timbre USING (item)
LEFT JOIN high_level USING (item)
LEFT JOIN binary_labels USING (item)
LEFT JOIN aesthetics USING (item)
LEFT JOIN stem_loudness USING (item)
LEFT JOIN stem_rhythm USING (item)
LEFT JOIN stem_harmony USING (item);
