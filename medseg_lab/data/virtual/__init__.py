"""Virtual subjects: one anatomy, warped and imaged anew for every index; lesions and raters if wanted."""
